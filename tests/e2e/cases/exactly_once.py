"""QoS 2 through the death of gateways. Clients that have several publishes under way, and clients to
which messages are under way, lose their connections by SIGKILL, come back to the next gateway, and go on
as [MQTT-4.4.0-1] tells them to. Every message comes once."""

import json
import struct
import threading
import time

from homestack import metrics
from homestack.redis import RedisClient

import harness
import mqtt
from cases.former_connections import FarGateway
from harness import check, check_equal, eventually

PUBLISHERS = 40
RECEIVERS = 10
UPDATERS = 10
WINDOW = 8
TOPICS = 5  # first levels: several partitions of the bus
DUP = 8


def run(arguments):
    with harness.stack(arguments.bin, gateways=3, profile="conformance",
                       gateway_settings={"pod-lease-ms": 2000}) as stack:
        addresses = [gateway.listen["mqtt"] for gateway in stack.gateways]
        receivers = [Receiver(addresses, f"to-{number}", number) for number in range(RECEIVERS)]
        publishers = [Publisher(addresses, f"from-{number}", number) for number in range(PUBLISHERS)]
        updaters = [Updater(addresses, f"thing-{number}", number) for number in range(UPDATERS)]
        senders = [*publishers, *updaters]
        for client in [*receivers, *senders]:
            client.start()
        goes_on(senders, "publishes through gateway-0")
        stack.kill("gateway-0")
        goes_on(senders, "publishes through gateway-1")
        # Here the clients stay away until others have taken their sessions over.
        Client.may_return.clear()
        stack.kill("gateway-1")
        clients = len(receivers) + len(senders)
        eventually(lambda: adopted(stack) >= clients, "the sessions of gateway-1 are taken over", seconds=30)
        Client.may_return.set()
        goes_on(senders, "publishes through gateway-2")
        for sender in senders:
            sender.finish()
        check_equal([found for found in (receiver.finish(publishers) for receiver in receivers) if found], [],
                    "receivers that miss messages or had them twice")
        check_equal([updater.version() for updater in updaters], [updater.sent for updater in updaters],
                    "versions of the shadows")
        for client, moves in [*((sender, 2) for sender in senders),
                              *((receiver, 2 - receiver.first) for receiver in receivers)]:
            check_equal((client.error, client.moves), (None, moves), f"{client.name} at the end")
        again = sum(sender.again for sender in senders)
        check(again > 0, "publishes were under way when the gateways were killed")
        sent = sum(sender.sent for sender in senders)
        had = sum(len(numbers) for receiver in receivers for numbers in receiver.numbers.values())
        print(f"{sent} messages, {again} sent again; {had} deliveries, "
              f"{sum(receiver.again for receiver in receivers)} sent again; each came once")
    for case in (told_out_of_order, left_before_it_was_stored, moved_before_it_was_noted, came_and_left):
        with harness.stack(arguments.bin, gateways=1, profile="conformance") as stack:
            far = FarGateway(stack, {"reactors": 1})
            stack.add(far)
            case(stack, far, Watcher(stack.gateways[0].listen["mqtt"]))


def told_out_of_order(stack, far, watcher):
    """A publish is stored, and its PUBREC waits for that of an earlier one."""
    client = kept(far, "orders")
    with Blocked(stack, watcher, "p"):
        client.send_exactly_once("p/x", "1", 1)
        client.send_exactly_once("q/x", "2", 2)
        watcher.wait_for("2")
        others(far, "q")
        stack.kill(far.name)
    client = kept(stack.gateways[0], "orders", present=1)
    for topic, payload, packet_id in (("p/x", "1", 1), ("q/x", "2", 2)):
        client.send_exactly_once(topic, payload, packet_id, dup=True)
    for _ in range(2):
        client.wait(mqtt.PUBREC, 20)
    watcher.has_once("1", "2")


def left_before_it_was_stored(stack, far, watcher):
    """The client leaves while its publish is on its way; other partitions are slow."""
    slow, client = kept(far, "slow"), kept(far, "leaves")
    with Blocked(stack, watcher, "p"):
        slow.send_exactly_once("p/x", "slow", 1)
        client.send_exactly_once("q/x", "1", 1)
        client.close()
        watcher.wait_for("1")
        others(far, "q")
        stack.kill(far.name)
    client = kept(stack.gateways[0], "leaves", present=1)
    client.send_exactly_once("q/x", "1", 1, dup=True)
    client.wait(mqtt.PUBREC, 20)
    watcher.has_once("1")


def moved_before_it_was_noted(stack, far, watcher):
    """The session is another gateway's when the publish is stored, so that it cannot be noted there."""
    old = kept(far, "moves")
    far.proxy.hold(b":inbox")
    new = kept(stack.gateways[0], "moves", present=1)
    old.send_exactly_once("q/x", "1", 1)
    watcher.wait_for("1")
    others(far, "q")
    stack.kill(far.name)
    new.send_exactly_once("q/x", "1", 1, dup=True)
    new.wait(mqtt.PUBREC, 20)
    watcher.has_once("1")


def came_and_left(stack, far, watcher):
    """Between the gateway's death and the client's return it is there for a moment."""
    old = kept(far, "hops")
    others(far, "q")
    far.proxy.hold(b"hp:pod:")
    old.send_exactly_once("q/x", "1", 1)
    watcher.wait_for("1")
    stack.kill(far.name)
    kept(stack.gateways[0], "hops", present=1).close()
    eventually(lambda: (redis(stack, "HGET", "hp:{d:hops}:kept:hops", "in") or "").endswith(" 1"),
               "what the receipts say is noted")
    client = kept(stack.gateways[0], "hops", present=1)
    client.send_exactly_once("q/x", "1", 1, dup=True)
    client.wait(mqtt.PUBREC, 20)
    watcher.has_once("1")


def redis(stack, *words):
    with RedisClient(stack.redis.socket) as client:
        return client.call(*words)


def kept(gateway, name, present=0):
    client = mqtt.Client(gateway.listen["mqtt"])
    check_equal(client.connect(name, clean=False), (present, 0), f"CONNECT of {name}")
    return client


def others(gateway, topic):
    """Others go on meanwhile: a few batches of the partition."""
    client = kept(gateway, f"other-{time.monotonic()}")
    for packet_id in range(1, 4):
        client.send_exactly_once(f"{topic}/others", "other", packet_id)
        client.wait(mqtt.PUBREC)
        client.release(packet_id)


class Watcher:
    """Sees all that is published on p and q."""

    def __init__(self, address):
        self.address = address
        self._client = mqtt.Client(address)
        self._client.connect("watcher")
        self._client.subscribe("p/#", "q/#")
        self._had = []

    def wait_for(self, payload):
        while payload not in self._had:
            self._had.append(self._client.message()[1].decode())

    def has_once(self, *payloads):
        last = mqtt.Client(self.address)
        last.connect("last")
        for topic in ("p/last", "q/last"):
            last.publish(topic, topic)
            self.wait_for(topic)
        check_equal({payload: self._had.count(payload) for payload in payloads},
                    {payload: 1 for payload in payloads}, "how often each message came")


class Blocked:
    """Redis refuses what is appended to the bus for `topic`."""

    def __init__(self, stack, watcher, topic):
        self._stack = stack
        before = self._lengths()
        publisher = mqtt.Client(watcher.address)
        publisher.connect("finder")
        publisher.publish(f"{topic}/find", "find")
        watcher.wait_for("find")
        self._key = next(key for key, length in self._lengths().items() if before.get(key) != length)

    def _lengths(self):
        return {key: redis(self._stack, "XLEN", key) for key in redis(self._stack, "KEYS", "hp:{t:*}:bus")}

    def __enter__(self):
        redis(self._stack, "RENAME", self._key, "hp:blocked")
        redis(self._stack, "SET", self._key, "no stream")

    def __exit__(self, *_):
        redis(self._stack, "RENAME", "hp:blocked", self._key)  # at once: nothing is appended in between


def adopted(stack):
    return sum(scraped(gateway) for gateway in stack.gateways)


def scraped(gateway):
    try:
        return metrics.scrape(gateway.metrics).total("homeport_gateway_adopted_sessions_total")
    except OSError:
        return 0  # it has just been killed, and is started again


def goes_on(senders, what):
    before = [sender.completed for sender in senders]
    eventually(lambda: all(sender.error or sender.completed > count + 2 * WINDOW
                           for sender, count in zip(senders, before)), what, seconds=60)


def topic_of(publisher, number):
    """Two partitions take turns: they acknowledge in any order."""
    return f"once{(publisher if number % 2 else 0) % TOPICS}"


class Client(threading.Thread):
    """A session that outlives its connections; each is to the next gateway."""

    may_return = threading.Event()
    may_return.set()

    def __init__(self, addresses, name, first):
        super().__init__(daemon=True)
        self.name, self.first, self.error = name, first, None
        self.moves = self.again = 0
        self._addresses = addresses
        self._done = threading.Event()
        self.client = self._connect()

    def run(self):
        try:
            while self.goes_on():
                try:
                    self.step()
                except (mqtt.Closed, ConnectionError):
                    self.moves += 1
                    self.client = self._connect()
                    self.resume()
            self.client.disconnect()
        except (OSError, TimeoutError, harness.Failed) as error:
            self.error = f"{type(error).__name__}: {error}"

    def goes_on(self):
        return not self._done.is_set()

    def resume(self):
        pass

    def answer(self, kind, body):
        self.client.send(kind, 2 if kind == mqtt.PUBREL else 0, body)

    def _connect(self):
        self.may_return.wait(60)
        client = mqtt.Client(self._addresses[self.first + self.moves], timeout=30)
        check_equal(client.connect(self.name, clean=False), (min(self.moves, 1), 0), f"CONNECT of {self.name}")
        return client


class Publisher(Client):
    """Has WINDOW publishes under way. Packet ids are soon in use again."""

    def __init__(self, addresses, name, number):
        super().__init__(addresses, name, 0)
        self.sent = self.completed = 0
        self._number = number
        self._under_way = {}  # packet id -> (message, whether PUBREC has come), in the order sent

    def finish(self):
        self._done.set()
        self.join(60)
        check(not self.is_alive(), f"{self.name}: {len(self._under_way)} publishes are still under way")

    def goes_on(self):
        return self._under_way or super().goes_on()

    def step(self):
        while len(self._under_way) < WINDOW and super().goes_on():
            packet_id = next(i for i in range(1, 2 * WINDOW) if i not in self._under_way)
            self._under_way[packet_id] = (self.sent, False)
            self.sent += 1
            self._publish(packet_id)
        packet = self.client.read()
        packet_id = struct.unpack(">H", packet.body[:2])[0]
        if packet.kind == mqtt.PUBREC:
            self._under_way[packet_id] = (self._under_way[packet_id][0], True)
            self.answer(mqtt.PUBREL, packet.body)
        elif packet.kind == mqtt.PUBCOMP:
            del self._under_way[packet_id]
            self.completed += 1

    def resume(self):
        for packet_id, (_, is_received) in list(self._under_way.items()):
            if is_received:
                self.answer(mqtt.PUBREL, struct.pack(">H", packet_id))
            else:
                self.again += 1
                self._publish(packet_id, dup=True)

    def _publish(self, packet_id, dup=False):
        self.client.send_exactly_once(*self.content(self._under_way[packet_id][0]), packet_id, dup)

    def content(self, message):
        return f"{topic_of(self._number, message)}/{self._number}", str(message)


class Updater(Publisher):
    """Updates the shadow of its own thing: the version counts what has come."""

    def content(self, message):
        return f"$aws/things/{self.name}/shadow/update", json.dumps({"state": {"reported": {"n": message}}})

    def version(self):
        client = mqtt.Client(self._addresses[2])
        client.connect(f"{self.name}-reader")
        client.subscribe(f"$aws/things/{self.name}/shadow/get/accepted")
        client.publish(f"$aws/things/{self.name}/shadow/get", "")
        version = json.loads(client.message()[1])["version"]
        client.disconnect()
        return version


class Receiver(Client):
    """Takes a message when it is sent first, and knows its packet id until PUBREL: section 4.3.3."""

    def __init__(self, addresses, name, number):
        super().__init__(addresses, name, number % 2)
        self.topic = f"once{number % TOPICS}"
        self.numbers = {}  # of a publisher -> what came
        self._held = set()
        check_equal(self.client.subscribe(f"{self.topic}/#", qos=2), [2], f"SUBSCRIBE of {name}")

    def finish(self, publishers):
        wanted = {number: [message for message in range(publisher.sent)
                           if topic_of(number, message) == self.topic]
                  for number, publisher in enumerate(publishers)}
        missing = lambda: {number: sorted(set(messages) - set(self.numbers.get(number, [])))
                           for number, messages in wanted.items()}
        deadline = time.monotonic() + 30
        while any(missing().values()) and not self.error and time.monotonic() < deadline:
            time.sleep(0.05)
        lost = {number: messages for number, messages in missing().items() if messages}
        twice = {number: sorted(m for m in set(messages) if messages.count(m) > 1)
                 for number, messages in self.numbers.items() if len(set(messages)) < len(messages)}
        self._done.set()
        self.join(60)
        return (self.name, {"lost": lost, "twice": twice}) if lost or twice else None

    def step(self):
        try:
            packet = self.client.read(0.2)
        except TimeoutError:
            return
        if packet.kind == mqtt.PUBREL:
            self._held.discard(packet.body)
            self.answer(mqtt.PUBCOMP, packet.body)
        if packet.kind != mqtt.PUBLISH:
            return
        topic, packet_id, payload = self.client.split(packet)
        self.again += bool(packet.flags & DUP)
        if packet_id not in self._held:
            self._held.add(packet_id)
            self.numbers.setdefault(int(topic.split("/")[1]), []).append(int(payload))
        self.answer(mqtt.PUBREC, packet_id)
