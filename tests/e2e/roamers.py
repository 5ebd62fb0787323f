"""Clients that go where they are sent, and the books that are kept of them: who got which message,
and how fast gateways send clients away."""

import struct
import threading
import time

from homestack import metrics

import mqtt
from harness import check, check_equal

QUIET_SECONDS = 20.0
DUP = 8


class Roamer(threading.Thread):
    """A client with a session that outlives its connections. Reads until it has `wanted` messages;
    whenever its connection ends, it goes on at the next gateway, or tries again there."""

    def __init__(self, addresses, name, wanted, start=0):
        super().__init__(daemon=True)
        self.name, self.error, self.moves = name, None, 0
        self.found = {}
        self.again = 0  # messages that came again, marked so
        self.unmarked = set()  # … and those that were not
        self._addresses, self._wanted, self._at = addresses, wanted, start
        self._client = self._open()
        check_equal(self._client.subscribe(f"roam/{name}"), [1], f"SUBSCRIBE of {name}")

    def _open(self):
        deadline = time.monotonic() + QUIET_SECONDS
        while True:
            try:
                client = mqtt.Client(self._addresses[self._at % len(self._addresses)])
                if client.connect(self.name, clean=False)[1] == 0:
                    return client
            except (OSError, mqtt.Closed):
                pass  # that one is just going
            if time.monotonic() > deadline:
                raise TimeoutError("no gateway takes the client")
            self._at += 1
            time.sleep(0.1)

    def run(self):
        try:
            while len(self.found) < self._wanted:
                try:
                    self._take(self._client.wait(mqtt.PUBLISH, timeout=QUIET_SECONDS))
                except (mqtt.Closed, ConnectionError):
                    self.moves += 1
                    self._at += 1
                    self._client = self._open()
        except TimeoutError as error:
            self.error = f"{error} after {len(self.found)} of {self._wanted} messages"

    def _take(self, packet):
        topic_bytes = struct.unpack(">H", packet.body[:2])[0]
        number = int(packet.body[4 + topic_bytes:])
        if number in self.found:
            self.again += 1
            if not packet.flags & DUP:
                self.unmarked.add((self.name, number))
        self.found[number] = True

    def judge(self, publisher):
        """What came again was sent before and not acknowledged, or published twice."""
        check_equal(self.error, None, self.name)
        check_equal(self.unmarked - publisher.repeated, set(), "messages that came again without DUP")
        check_equal(sorted(self.found), list(range(self._wanted)), f"messages to {self.name}")


class Publisher:
    """Publishes numbered messages of QoS 1 to the roamers, each until it is acknowledged."""

    def __init__(self, addresses):
        self._addresses, self._at, self._client = addresses, 0, None
        self.repeated = set()  # (name, number) of what was published again for want of its PUBACK

    def publish(self, name, number):
        dup = False
        deadline = time.monotonic() + QUIET_SECONDS
        while True:
            try:
                if self._client is None:
                    client = mqtt.Client(self._addresses[self._at % len(self._addresses)])
                    if client.connect("publisher")[1] != 0:
                        raise mqtt.Closed("refused")
                    self._client = client
                return self._client.publish(f"roam/{name}", str(number), dup=dup)
            except (OSError, mqtt.Closed):
                if self._client:
                    self.repeated.add((name, number))
                    dup = True
                self._client = None
                self._at += 1
            if time.monotonic() > deadline:
                raise TimeoutError("no gateway takes the publisher")
            time.sleep(0.05)


class Meter(threading.Thread):
    """Watches how many sessions a gateway ends, of all causes, against a rate that it must not
    exceed. Each count was taken some time between the start and the end of its request, so what lies
    between two of them took at most the time from the start of the first to the end of the second."""

    SAME = "homeport_gateway_drain_disconnects_total"

    def __init__(self, gateway, per_second, at_once):
        super().__init__(daemon=True)
        self._gateway, self._rate, self._at_once = gateway, per_second, at_once
        self._stopping = threading.Event()
        self.counts = []  # (begun, ended, count)
        self.start()

    def run(self):
        while not self._stopping.wait(0.02):
            begun = time.monotonic()
            page = metrics.scrape(self._gateway.metrics)
            if page:
                self.counts.append((begun, time.monotonic(), page.total(self.SAME)))

    def judge(self):
        """Returns the largest count seen."""
        self._stopping.set()
        self.join()
        for index, (begun, _, before) in enumerate(self.counts):
            for _, ended, after in self.counts[index + 1:]:
                most = self._rate * (ended - begun) + self._at_once
                check(after - before <= most, f"{self._gateway.name} ended {after - before:.0f} "
                      f"sessions in {ended - begun:.2f} s, {self._rate} a second are set")
        return max((count for _, _, count in self.counts), default=0)
