"""The former connection of a client that has moved to another gateway: while its gateway stands still, or
has not heard of the move, or does not know yet that the client was its own. What a client gets twice
goes with DUP, and nothing outlives the move."""

import os
import signal
import threading

from homestack import metrics
from homestack.pods import Gateway

import harness
import mqtt
import tcp_proxy
from cases.take_over import owner
from harness import check, check_equal, eventually

LEASE_MS = 4000
INBOX = b":inbox"  # its connection to Redis, by what is said there first
CLAIMS = b"hp:pod:"  # the connection on which the lease is renewed, too


class FarGateway(Gateway):
    """A gateway whose way to Redis goes through a proxy."""

    def __init__(self, stack, settings):
        self.proxy = tcp_proxy.Proxy(stack.redis.socket)
        super().__init__(stack, 1, stack.options.profile,
                         {**settings, "redis": f"127.0.0.1:{self.proxy.port}"})


def run(arguments):
    patient = {"former-end-ms-max": 30_000, "reactors": 1}
    with harness.stack(arguments.bin, gateways=1, profile="conformance",
                       gateway_settings=patient) as stack:
        far = FarGateway(stack, patient)
        stack.add(far)
        has_received(stack.gateways[0].listen["mqtt"], far)
    settings = {"pod-lease-ms": LEASE_MS, "reactors": 1}
    with harness.stack(arguments.bin, gateways=1, profile="conformance",
                       gateway_settings=settings) as stack:
        far = FarGateway(stack, settings)
        stack.add(far)
        near = stack.gateways[0].listen["mqtt"]
        publisher = mqtt.Client(near)
        publisher.connect("publisher")
        stands_still(stack, near, far, publisher)
        has_not_heard(near, far, publisher)
        does_not_know(stack, near, far)


def has_received(near, far):
    """It has appended a QoS 2 message, and is not told so before its client has gone elsewhere and
    sends the message again. Nothing there reads that partition of the bus."""
    reader = mqtt.Client(near)
    reader.connect("once-reader")
    check_equal(reader.subscribe("once/#"), [1], "SUBSCRIBE")
    old = mqtt.Client(far.listen["mqtt"])
    check_equal(old.connect("once", clean=False), (0, 0), "CONNECT")
    old.send_exactly_once("once/x", "0", packet_id=7)  # from now on Redis knows the script
    old.wait(mqtt.PUBREC)
    old.release(7)
    check_equal(reader.message(), ("once/x", b"0"), "the first message")
    far.proxy.hold(CLAIMS)
    old.send_exactly_once("once/x", "1", packet_id=7)
    check_equal(reader.message(), ("once/x", b"1"), "a message of QoS 2")
    new = mqtt.Client(near)
    check_equal(new.connect("once", clean=False), (1, 0), "CONNECT elsewhere")
    old.wait_closed()
    new.send_exactly_once("once/x", "1", packet_id=7, dup=True)
    far.proxy.release(CLAIMS)
    new.wait(mqtt.PUBREC)
    new.release(7)
    new.publish("once/x", "2")
    check_equal(reader.message(), ("once/x", b"2"), "the next message, behind one that came again")
    new.send_exactly_once("once/x", "3", packet_id=7)
    new.wait(mqtt.PUBREC)
    check_equal(reader.message(), ("once/x", b"3"), "another message under the id that was released")
    new.release(7)
    new.disconnect()
    reader.disconnect()


def stands_still(stack, near, far, publisher):
    """It wakes up with a message for the client, and the word that the client has gone."""
    old = Kept(far.listen["mqtt"], "still", "still/#")
    publisher.publish("still/x", "0")
    eventually(lambda: "0" in old.received, "a message before the move")
    os.kill(stack.pid(far.name), signal.SIGSTOP)
    try:
        publisher.publish("still/x", "1")
        new = Kept(near, "still")
        publisher.publish("still/x", "2")
        eventually(lambda: len(new.received) >= 2, "messages after the move")
    finally:
        os.kill(stack.pid(far.name), signal.SIGCONT)
    old.ended()
    # Messages may reach it a moment before the word.
    check_equal([n for n in old.received if not new.received.get(n, True)], [],
                "messages that came over both connections and have no DUP")
    check_equal(set(new.received) - {"0"}, {"1", "2"}, "messages over the newer connection")
    check(new.received["1"], "what the gateway that stood still may have sent goes with DUP")
    new.client.close()


def has_not_heard(near, far, publisher):
    """The word that the client has gone is long on its way: both gateways serve it meanwhile."""
    old = Kept(far.listen["mqtt"], "both", "both/#")
    far.proxy.hold(INBOX)
    new = Kept(near, "both")
    publisher.publish("both/x", "0")  # while the newer gateway waits for an answer
    eventually(lambda: "0" in new.received, "the message while it is waited for")
    for number in range(1, 6):  # and when it waits no more
        publisher.publish("both/x", str(number))
        eventually(lambda number=number: str(number) in new.received, f"message {number}")
    eventually(lambda: len(old.received) == 6, "messages over the former connection")
    unmarked = [number for number, is_marked in new.received.items() if not is_marked]
    check_equal(unmarked, [], "messages that came over both connections and have no DUP")
    far.proxy.release(INBOX)
    old.ended()
    eventually(lambda: goes_unmarked(publisher, new), "once it has ended messages go without DUP")
    new.client.close()


def goes_unmarked(publisher, new):
    number = f"after-{len(new.received)}"
    publisher.publish("both/x", number)
    eventually(lambda: number in new.received, number)
    return not new.received[number]


def does_not_know(stack, near, far):
    """Redis has given it the client, and its answer comes later than the word that another has it."""
    far.proxy.hold(CLAIMS)
    items = inbox_items(far)
    old = mqtt.Client(far.listen["mqtt"])
    connecting = threading.Thread(target=old.connect, args=("early",))
    connecting.start()
    eventually(lambda: owner(stack, "early") == far.name, "Redis has given it the client")
    new = mqtt.Client(near)
    check_equal(new.connect("early"), (0, 0), "CONNECT elsewhere")
    eventually(lambda: inbox_items(far) > items, "the word that the client is elsewhere")
    far.proxy.release(CLAIMS)
    connecting.join()
    old.wait_closed()
    new.ping()
    new.disconnect()


def inbox_items(gateway):
    return metrics.scrape(gateway.metrics).total("homeport_gateway_inbox_items_total")


class Kept:
    """A client with a session that outlives its connection; notes what comes, and whether with DUP."""

    def __init__(self, address, name, topic_filter=None):
        self.client = mqtt.Client(address)
        present, code = self.client.connect(name, clean=False)
        check_equal((present, code), (0 if topic_filter else 1, 0), f"CONNECT of {name}")
        if topic_filter:
            check_equal(self.client.subscribe(topic_filter), [1], f"SUBSCRIBE of {name}")
        self.received = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def ended(self):
        """Once the gateway has closed the connection."""
        self._reader.join(15)
        check(not self._reader.is_alive(), "the former connection has ended")

    def _read(self):
        try:
            while True:
                payload, is_marked = self.client.marked_message(timeout=30)
                self.received.setdefault(payload.decode(), is_marked)
        except (mqtt.Closed, OSError, TimeoutError):
            pass
