"""Messages between clients at their limits: many retained messages in one write and a subscriber to
every one of many partitions, which no command to Redis limits; more retained messages than a
partition may have; more bytes than may wait for a client that does not acknowledge, or does not read;
one message of more bytes than may wait; more subscriptions than a session may have; Redis that does
not give retained messages."""

import os
import time

import harness
import mqtt
from homestack import metrics
from homestack.redis import RedisClient

MESSAGES = 500
PARTITIONS = 64
RETAINED_MAX = 600
IN_FLIGHT = 100
PAYLOAD = 10_000
WAITING = 12
OUTPUT = 1 << 20
LARGE = 6 << 20  # more than OUTPUT, and than a socket takes
UNREAD_MAX = 3_000  # of PAYLOAD: more than any socket takes
TAKEN = (0, 0x10)  # whether or not somebody follows
QUOTA_EXCEEDED = 0x97
SUBSCRIPTIONS = 4
QUEUE = 20


def run(context):
    settings = {"bus-partitions": PARTITIONS, "retained-messages-max": RETAINED_MAX,
                "inflight-max": IN_FLIGHT, "waiting-bytes-max": WAITING * PAYLOAD,
                "output-bytes-max": OUTPUT, "packet-bytes-max": 2 * LARGE}
    with harness.stack(context.bin, gateways=1, profile="conformance",
                       gateway_settings=settings) as running:
        gateway = running.gateways[0]
        pid = running.pid(gateway.name)
        many_at_once(gateway)
        retained_bound(gateway)
        odd_topics(gateway)
        many_subscribes_at_once(gateway)
        retained_at_the_clients_pace(gateway)
        waiting_bound(gateway)
        output_bound(gateway)
        larger_than_the_bound(gateway)
        harness.check_equal(running.pid(gateway.name), pid, "the gateway's process")
    settings = {"output-bytes-max": 64 << 10, "waiting-bytes-max": 64 << 20,
                "subscriptions-max": SUBSCRIPTIONS, "queue-messages-max": QUEUE}
    with harness.stack(context.bin, gateways=1, profile="conformance",
                       gateway_settings=settings) as running:
        gateway = running.gateways[0]
        more_than_the_socket_takes(gateway)
        subscriptions_bound(gateway)
        expired_while_away(gateway)
        retained_when_redis_gives_it(running, gateway)


def many_at_once(gateway):
    follower = client(gateway, "follower")
    harness.check_equal(follower.subscribe("#", qos=0), [0], "SUBACK of #")
    wanted = {f"room/{number}": b"%d" % number for number in range(MESSAGES)}
    client(gateway, "writer").send_at_once(wanted.items())
    found = dict(follower.message() for _ in wanted)
    harness.check_equal(found, wanted, "messages of #")
    reader = client(gateway, "reader")
    reader.subscribe("room/#", qos=0)
    found = dict(reader.message() for _ in wanted)
    harness.check_equal(found, wanted, "retained messages")


def retained_bound(gateway):
    """All of one first level, so of one partition."""
    writer = client(gateway, "keeper", version=5)
    codes = [writer.publish(f"full/{number}", "x", retain=True) for number in range(RETAINED_MAX + 2)]
    taken = sum(code in TAKEN for code in codes)
    harness.check(taken in (RETAINED_MAX, RETAINED_MAX - MESSAGES), f"{taken} were retained")
    harness.check_equal(codes[taken:], [QUOTA_EXCEEDED] * (len(codes) - taken), "the others")
    harness.check(writer.publish("full/0", "newer", retain=True) in TAKEN, "one that is there")
    old = client(gateway, "keeper-311")
    listener = client(gateway, "listener")
    listener.subscribe(f"full/{RETAINED_MAX + 9}")
    harness.check_equal(old.publish(f"full/{RETAINED_MAX + 9}", "y", retain=True), 0, "3.1.1")
    harness.check_equal(listener.message()[1], b"y", "delivered, though not retained")
    refused = metrics.scrape(gateway.metrics).total("homeport_gateway_refusals_total",
                                                    reason="retained_full")
    harness.check_equal(refused, len(codes) - taken + 1, "counted refusals")


def odd_topics(gateway):
    """Redis looks retained messages up by a pattern: what means something there means nothing here."""
    topics = ["odd", "odd/*", "odd/[a-z]/x", "odd/?", "odd/\\", "odd/b/x", "odder/x"]
    client(gateway, "odd-writer").send_at_once((topic, b"x") for topic in topics)
    listener = client(gateway, "odd-listener")
    listener.subscribe("odder/x")
    listener.message()  # the last one is there, so all are
    for wanted, chosen in ((topics[:6], "odd/#"), (["odd/[a-z]/x"], "odd/[a-z]/+"),
                           (["odd/[a-z]/x", "odd/b/x"], "odd/+/x"),
                           (["odd/*"], "odd/*/#"), (["odd/\\"], "odd/\\/#")):
        reader = client(gateway, "odd-reader")
        reader.subscribe(chosen, "odder/x")
        found = [reader.message()[0] for _ in range(len(wanted) + 1)]
        harness.check_equal(sorted(found), sorted([*wanted, "odder/x"]), f"retained for {chosen}")
        reader.disconnect()


def many_subscribes_at_once(gateway):
    """Each asks for all retained messages again; a session gets those of one before the next."""
    client(gateway, "again-writer").send_at_once((f"again/{i}", b"x") for i in range(50))
    reader = client(gateway, "again-reader")
    reader.subscribe("again/#", qos=0)
    for _ in range(50):
        reader.message()
    body = b"\0\7again/#\0"
    reader.send_raw(b"".join(bytes([0x82, 2 + len(body), 0, i + 1]) + body for i in range(20)))
    kinds = [reader.read().kind for _ in range(20 * 51)]
    harness.check_equal(kinds, ([mqtt.SUBACK] + [mqtt.PUBLISH] * 50) * 20, "in turn")


def retained_at_the_clients_pace(gateway):
    """More than may be on their way and wait: the rest is read as the client acknowledges."""
    writer = client(gateway, "painter")
    wanted = 2 * (IN_FLIGHT + WAITING)
    for number in range(wanted):
        writer.publish(f"gallery/{number}", b"x" * PAYLOAD, retain=True)
    reader = client(gateway, "visitor")
    reader.subscribe("gallery/#")
    found = {reader.message()[0] for _ in range(wanted)}
    harness.check_equal(len(found), wanted, "retained messages")
    for number in range(wanted):
        writer.publish(f"gallery/{number}", b"", retain=True)


def waiting_bound(gateway):
    mute = client(gateway, "mute")  # reads nothing for now, so acknowledges nothing
    mute.subscribe("loud/#")
    writer = client(gateway, "speaker")
    sent = IN_FLIGHT + WAITING + 5
    for number in range(sent):
        writer.publish("loud/x", b"%04d" % number + b"x" * (PAYLOAD - 4))
    numbers = [int(mute.message()[1][:4]) for _ in range(IN_FLIGHT + WAITING)]
    harness.check_equal(numbers, list(range(IN_FLIGHT + WAITING)), "what fits")
    writer.publish("loud/x", b"%04d" % sent)
    harness.check_equal(mute.message()[1], b"%04d" % sent, "what comes next")


def output_bound(gateway):
    """QoS 0 is dropped where its client reads nothing; what the client is owed still comes."""
    still = client(gateway, "still")
    still.subscribe("stream", qos=0)
    still.subscribe("owed")
    writer = client(gateway, "source")
    sent = 0
    while not dropped_unread(gateway):
        harness.check(sent < UNREAD_MAX, "nothing was dropped")
        for _ in range(50):
            writer.publish("stream", b"%06d" % sent + b"x" * (PAYLOAD - 6))
            sent += 1
    writer.publish("owed", "end")
    numbers = []
    while (message := still.message())[0] == "stream":
        numbers.append(int(message[1][:6]))
    harness.check_equal(message, ("owed", b"end"), "QoS 1 behind it")
    harness.check_equal(numbers, sorted(set(numbers)), "the others, each once and in order")
    harness.check_equal(sent - len(numbers), dropped_unread(gateway), "counted drops")


def expired_while_away(gateway):
    """What has expired takes no place in the queue of a client that is away."""
    sleeper = mqtt.Client(gateway.listen["mqtt"])
    sleeper.connect("sleeper", clean=False)
    sleeper.subscribe("nap/x")
    sleeper.disconnect()
    writer = client(gateway, "waker", version=5)
    for number in range(QUEUE + 3):
        writer.publish("nap/x", f"brief-{number}", expiry_s=1)
    time.sleep(1.1)  # the specification counts seconds
    for number in range(QUEUE + 3):
        writer.publish("nap/x", str(number))
    again = mqtt.Client(gateway.listen["mqtt"])
    harness.check_equal(again.connect("sleeper", clean=False), (1, 0), "its session")
    found = [again.message()[1] for _ in range(QUEUE)]
    harness.check_equal(found, [b"%d" % number for number in range(QUEUE)], "what is still of use")
    writer.publish("nap/x", "end")
    harness.check_equal(again.message()[1], b"end", "nothing more")


def larger_than_the_bound(gateway):
    """No client can read faster than a message comes: the first one waits whatever its size."""
    slow = client(gateway, "slow")
    slow.subscribe("large")
    payload = os.urandom(LARGE)
    client(gateway, "giver").publish("large", payload)
    harness.check(slow.message(60) == ("large", payload), "the large message, whole")


def more_than_the_socket_takes(gateway):
    """Within the receive maximum: what finds no room waits for an acknowledgement, and all comes."""
    payload, count = os.urandom(200_000), IN_FLIGHT - 10
    writer = client(gateway, "stock")
    for number in range(count):
        writer.publish(f"stock/{number}", payload, retain=True)
    reader = client(gateway, "hurried")
    reader.subscribe("stock/#")
    found = {reader.message() for _ in range(count)}
    harness.check_equal(found, {(f"stock/{number}", payload) for number in range(count)},
                        "retained messages")


def subscriptions_bound(gateway):
    """Of its own topics and of others together; one that is there may be changed, and may go."""
    listener = client(gateway, "eager", version=5)
    own = [f"$aws/things/eager/shadow/{topic}" for topic in (
        "get/accepted", "update/accepted", "update/documents")]
    harness.check_equal(listener.subscribe("a", "b", *own), [1] * SUBSCRIPTIONS + [QUOTA_EXCEEDED],
                        "SUBACK of own topics behind others")
    harness.check_equal(listener.subscribe("c", "$aws/things/eager/shadow/#"), [QUOTA_EXCEEDED] * 2,
                        "SUBACK of one more")
    harness.check_equal(listener.subscribe("a", own[0], qos=0), [0, 0], "SUBACK of known ones")
    listener.unsubscribe("b")
    harness.check_equal(listener.subscribe("c", "b"), [1, QUOTA_EXCEEDED], "SUBACK of the freed one")


def retained_when_redis_gives_it(running, gateway):
    client(gateway, "patient-writer").send_at_once([("patient/x", b"x"), ("patient/y", b"y")])
    reader = client(gateway, "patient-reader")
    with RedisClient(running.redis.socket) as redis:
        redis.call("ACL", "SETUSER", "default", "-hget", "-hscan")
        harness.check_equal(reader.subscribe("patient/x", "patient/+"), [1, 1], "SUBACK")
        harness.eventually(lambda: refusals(gateway, "retained_unread") >= 2, "both are refused")
        redis.call("ACL", "SETUSER", "default", "+hget", "+hscan")
    found = sorted(reader.message() for _ in range(3))
    harness.check_equal(found, [("patient/x", b"x"), ("patient/x", b"x"), ("patient/y", b"y")],
                        "retained messages of both")


def dropped_unread(gateway):
    return refusals(gateway, "delivery_output_full")


def refusals(gateway, reason):
    return metrics.scrape(gateway.metrics).total("homeport_gateway_refusals_total", reason=reason)


def client(gateway, name, version=4):
    made = mqtt.Client(gateway.listen["mqtt"], version)
    made.connect(name)
    return made
