"""Clients of two gateways talk to each other through mosquitto's own clients: every QoS, retained
messages, shared subscriptions, both versions. Each subscriber listens before anyone publishes:
`mosquitto_sub -d` says when its SUBACK is there."""

import shutil
import subprocess
import threading

import harness
import mqtt
from harness import check, check_equal
from homestack.redis import RedisClient

MESSAGES = 20
BURST = 3000
FILTERS_MAX = 500  # of a session, in this profile
UNHEARD = 0x10  # no matching subscribers


def run(context):
    if not shutil.which("mosquitto_sub"):
        raise harness.Skipped("mosquitto-clients is not installed")
    with harness.stack(context.bin, profile="conformance") as running:
        unheard(running)
        for version in ("311", "5"):
            for qos in (0, 1, 2):
                every_message_once(running, version, qos)
            retained(running, version)
        shared(running)
        shared_over_many_streams(running)
        shared_with_a_latecomer(running)
        shared_with_one_who_leaves(running)
        shared_with_one_who_ends(running)
        not_its_own(running)
        renewed_in_order(running)
        renewed_behind_its_own(running)
        in_one_breath(running)
        ended_by_take_over(running)
        burst(running)
        heedless(running)
        too_many_filters(running)


def heedless(running):
    """A client of version 5 that does not keep to the receive maximum waits, and stays."""
    client = mqtt.Client(running.gateways[0].listen["mqtt"], 5)
    client.connect("heedless")
    for number in range(BURST):
        client.publish("heedless/x", str(number), wait=False)
    for _ in range(BURST):
        client.wait(mqtt.PUBACK)
    client.disconnect()


def too_many_filters(running):
    """SUBACK says which of a packet's filters are too many."""
    for version, refused in ((4, 0x80), (5, 0x97)):
        client = mqtt.Client(running.gateways[0].listen["mqtt"], version)
        client.connect(f"greedy-{version}")
        codes = client.subscribe(*(f"greedy/{number}" for number in range(FILTERS_MAX + 20)))
        harness.check_equal(codes, [1] * FILTERS_MAX + [refused] * 20, f"SUBACK of version {version}")
        client.disconnect()


def every_message_once(running, version, qos):
    topic = f"room/{version}/{qos}"
    listeners = [Listener(gateway, version, qos, filter)
                 for gateway, filter in zip(running.gateways, (f"{topic}/+/up", "room/#"))]
    sent = [f"{topic}/{i}/up" for i in range(MESSAGES)]
    for number, name in enumerate(sent):
        publish(running.gateways[number % 2], version, qos, name, f"m{number}")
    wanted = [f"{name} m{number}" for number, name in enumerate(sent)]
    for listener in listeners:
        found = listener.lines(MESSAGES)
        harness.check_equal(sorted(found), sorted(wanted), f"QoS {qos}, MQTT {version}")


def unheard(running):
    """Who publishes is told that nobody follows, but not where another gateway may know better."""
    first, second = (gateway.listen["mqtt"] for gateway in running.gateways)
    maker, near, far = (mqtt.Client(address, 5) for address in (first, first, second))
    for client, name in ((maker, "maker"), (near, "near"), (far, "far")):
        client.connect(f"unheard-{name}")
    # Redis has to be told a script first.
    harness.check_equal(maker.publish("unheard/kept", "0", retain=True), UNHEARD, "a retained message")
    maker.publish("unheard/kept", "", retain=True)
    harness.check_equal(maker.publish("unheard/x", "1"), UNHEARD, "nobody")
    near.subscribe("unheard/y")
    harness.check_equal(maker.publish("unheard/x", "2"), UNHEARD, "one of another topic")
    harness.check_equal(maker.publish("unheard/y", "3"), 0, "one of this gateway")
    far.subscribe("unheard/x")
    harness.check_equal(maker.publish("unheard/x", "4"), 0, "one of the other gateway")
    harness.check_equal((near.message()[1], far.message()[1]), (b"3", b"4"), "what they get")
    away = mqtt.Client(first)
    away.connect("unheard-away", clean=False)
    away.subscribe("missed/x")
    away.disconnect()
    harness.check_equal(maker.publish("missed/x", "5"), 0, "one that is away")


def burst(running):
    """One who reads only when all has been sent still gets all."""
    reader = mqtt.Client(running.gateways[1].listen["mqtt"])
    reader.connect("burst-reader")
    reader.subscribe("burst/#", qos=1)
    writer = mqtt.Client(running.gateways[0].listen["mqtt"])
    writer.connect("burst-writer")
    for number in range(BURST):
        writer.publish("burst/x", f"{number}", wait=False)
    for _ in range(BURST):
        writer.wait(mqtt.PUBACK, 30)
    found = [reader.message(30)[1] for _ in range(BURST)]
    harness.check_equal(found, [b"%d" % number for number in range(BURST)], "the burst")


def retained(running, version):
    topic = f"kept/{version}"
    publish(running.gateways[0], version, 1, topic, "stays", "-r")
    for filter in (topic, "kept/#"):
        found = Listener(running.gateways[1], version, 1, filter, "%r %t %p").lines(1)
        harness.check_equal(found, [f"1 {topic} stays"], "a retained message")
    publish(running.gateways[1], version, 1, topic, "", "-r", "-n")
    last = Listener(running.gateways[0], version, 1, "kept/#", "%r %t %p")
    publish(running.gateways[0], version, 1, f"{topic}/end", "end")
    harness.check_equal(last.lines(1), [f"0 {topic}/end end"], "an ended retained message")


def shared(running):
    members = [Listener(gateway, "5", 1, "$share/crew/job/#") for gateway in running.gateways]
    for number in range(MESSAGES):
        publish(running.gateways[0], "5", 1, "job/x", f"m{number}")
    harness.eventually(lambda: sum(len(member.read) for member in members) >= MESSAGES,
                       "every shared message delivered")
    found = sorted(line for member in members for line in member.stop())
    harness.check_equal(found, sorted(f"job/x m{i}" for i in range(MESSAGES)), "shared messages")


def shared_with_a_latecomer(running):
    """Who joins a group gets nothing that was acknowledged before, also where the gateway reads it
    only after that: its reading connection is cut each time."""
    address = running.gateways[0].listen["mqtt"]
    member, latecomer, maker = (mqtt.Client(address, 5) for _ in range(3))
    for client, name in ((member, "member"), (latecomer, "latecomer"), (maker, "maker")):
        client.connect(f"late-{name}")
    member.subscribe("$share/late/late/x")
    for number in range(MESSAGES):
        with RedisClient(running.redis.socket) as redis:
            for line in redis.call("CLIENT", "LIST").splitlines():
                if "cmd=xread " in line:
                    redis.call("CLIENT", "KILL", "ID", line.split()[0].split("=")[1])
        maker.publish("late/x", f"m{number}")
        latecomer.subscribe("$share/late/late/x")
        harness.check_equal(member.message()[1], b"m%d" % number, "the elder member's")
        latecomer.unsubscribe("$share/late/late/x")


def shared_with_one_who_leaves(running):
    """What a gateway has taken for a member that leaves at that moment goes to the other gateway's."""
    first, second = (gateway.listen["mqtt"] for gateway in running.gateways)
    stayer, leaver, maker = mqtt.Client(first), mqtt.Client(second), mqtt.Client(first)
    for client, name in ((stayer, "stayer"), (leaver, "leaver"), (maker, "maker")):
        client.connect(f"leave-{name}")
    stayer.subscribe("$share/leave/leave/x")
    sent, found = range(600), []
    for number in sent:
        if number % 4 == 0:
            leaver.subscribe("$share/leave/leave/x")
        maker.publish("leave/x", str(number), wait=False)
        if number % 4 == 3:
            leaver.unsubscribe("$share/leave/leave/x")
    for client in (stayer, leaver):
        while len(found) < len(sent):
            try:
                found.append(int(client.message(timeout=2)[1]))
            except TimeoutError:
                break
    harness.check_equal(sorted(found), list(sent), "messages while a member comes and goes")


def shared_with_one_who_ends(running):
    """What the client of a session has not acknowledged goes to another member when the session ends:
    with its connection, after it has expired, or because the client begins anew."""
    first, second = (gateway.listen["mqtt"] for gateway in running.gateways)
    maker = mqtt.Client(first)
    maker.connect("end-maker")
    for name, expiry_s in (("ended", None), ("expired", 1)):
        mute, heir = mqtt.Client(first, 5), mqtt.Client(second, 5)
        mute.connect(f"end-{name}", expiry_s=expiry_s)
        mute.subscribe(f"$share/end/end/{name}")
        for number in range(MESSAGES):
            maker.publish(f"end/{name}", str(number))
        for _ in range(MESSAGES // 2):  # the others are on their way
            mute.read()
        heir.connect(f"end-heir-{name}")
        heir.subscribe(f"$share/end/end/{name}")
        mute.reset()
        found = sorted(int(heir.message()[1]) for _ in range(MESSAGES))
        harness.check_equal(found, list(range(MESSAGES)), f"messages of a session that has {name}")
        heir.disconnect()
    absent, heir = mqtt.Client(first, 5), mqtt.Client(second, 5)
    absent.connect("end-anew", clean=False, expiry_s=60)
    absent.subscribe("$share/end/end/anew")
    absent.reset()
    for number in range(MESSAGES):
        maker.publish("end/anew", str(number))
    heir.connect("end-heir-anew")
    heir.subscribe("$share/end/end/anew")
    harness.eventually(lambda: queued(running, "end-anew") == MESSAGES, "all of them wait")
    mqtt.Client(second, 5).connect("end-anew")
    found = sorted(int(heir.message()[1]) for _ in range(MESSAGES))
    harness.check_equal(found, list(range(MESSAGES)), "messages of a session that was discarded")


def queued(running, client):
    with RedisClient(running.redis.socket) as redis:
        return redis.call("HLEN", f"hp:{{d:{client}}}:queue:{client}")


def not_its_own(running):
    """No Local holds for retained messages, too [MQTT-3.8.3-3]."""
    client = mqtt.Client(running.gateways[0].listen["mqtt"], version=5)
    client.connect("selfless")
    client.publish("selfless/x", "mine", retain=True)
    for chosen in ("selfless/x", "selfless/#"):
        client.subscribe(chosen, qos=5)  # QoS 1 and No Local
        client.ping()
    other = mqtt.Client(running.gateways[0].listen["mqtt"])
    other.connect("selfish")
    other.publish("selfless/x", "another's", retain=True)
    check_equal(client.message(), ("selfless/x", b"another's"), "the first that comes")


def renewed_in_order(running):
    """A SUBSCRIBE again asks for what is retained: it comes before what is newer [MQTT-4.6.0-5]."""
    reader = mqtt.Client(running.gateways[0].listen["mqtt"])
    reader.connect("renewer")
    reader.subscribe("renewed/#", qos=0)
    stop = threading.Event()

    def write():
        writer = mqtt.Client(running.gateways[-1].listen["mqtt"])
        writer.connect("renewed-writer")
        number = 0
        while not stop.is_set():
            number += 1
            writer.publish("renewed/x", str(number), retain=True)
        writer.publish("renewed/x", "", retain=True)
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        reader.message()
        newest = 0
        for turn in range(60):
            reader.send_raw(b"\x82\x0e\0\x07\0\x09renewed/#\0")
            for _ in range(5):
                packet = reader.wait(mqtt.PUBLISH)
                number = int(reader.split(packet)[2])
                check(number > newest or (packet.flags & 1 and number == newest),
                      f"{number} came behind {newest}")
                newest = number
    finally:
        stop.set()
        thread.join(10)


class Breath(mqtt.Client):
    """Keeps what it is to send, for one write."""
    kept = b""

    def send(self, kind, flags, body):
        self.kept += bytes([kind << 4 | flags, len(body)]) + body


def renewed_behind_its_own(running):
    """Who publishes and then asks for what is retained finds what it has published."""
    client = Breath(running.gateways[0].listen["mqtt"])
    client.send_connect("painter")
    client.send_raw(client.kept)
    client.wait(mqtt.CONNACK)
    topic, again = "painted/x", b"\0\7\0\x09painted/x\0"
    for turn in range(20):
        client.kept = b""
        client.publish(topic, f"old-{turn}", qos=0, retain=True)
        client.send(8, 2, again)
        client.send_raw(client.kept)
        retained = client.wait(mqtt.PUBLISH)
        while not retained.flags & 1:
            retained = client.wait(mqtt.PUBLISH)
        check_equal(client.split(retained)[2], f"old-{turn}".encode(), "what is retained")


def in_one_breath(running):
    """Who says DISCONNECT and reads nothing more has no will, and has said what stands before it."""
    address = running.gateways[0].listen["mqtt"]
    watcher = mqtt.Client(address)
    watcher.connect("watcher")
    watcher.subscribe("breath/#", qos=0)
    for i in range(20):
        client = Breath(address)
        client.send_connect("breath", will=("breath/will", "x"))
        client.send(8, 2, b"\0\7\0\1a\0")
        client.publish("breath/last", str(i), qos=0)
        client.send(14, 0, b"")
        client.send_raw(client.kept)
        client.close()
        check_equal(watcher.message(), ("breath/last", str(i).encode()), "what it said last")


def ended_by_take_over(running):
    """A session that was to end with its connection ends with a take-over, too."""
    for gateway in running.gateways:
        clients = [mqtt.Client(address, 5) for address in
                   (running.gateways[0].listen["mqtt"],) * 2 + (gateway.listen["mqtt"],)]
        check_equal(clients[0].connect("brief", expiry_s=100), (0, 0), "a first session")
        clients[0].subscribe("brief/x")
        clients[0].disconnect()
        check_equal(clients[1].connect("brief", clean=False), (1, 0), "it is there")
        check_equal(clients[2].connect("brief", clean=False, expiry_s=100), (0, 0), "it has ended")
        clients[2].publish("brief/x", "x")
        clients[2].send(12, 0, b"")
        check_equal(clients[2].read().kind, mqtt.PINGRESP, "its subscription, too")
        clients[2].disconnect()
        mqtt.Client(gateway.listen["mqtt"], 5).connect("brief")


def publish(gateway, version, qos, topic, payload, *more):
    host, port = gateway.listen["mqtt"].rsplit(":", 1)
    body = [] if "-n" in more else ["-m", payload]
    subprocess.run(["mosquitto_pub", "-h", host, "-p", port, "-V", version, "-q", str(qos),
                    "-t", topic, *body, *more], check=True, timeout=20)


class Listener:
    """A mosquitto_sub whose subscription is in force."""

    def __init__(self, gateway, version, qos, filter, form="%t %p"):
        host, port = gateway.listen["mqtt"].rsplit(":", 1)
        self.read = []
        self._process = subprocess.Popen(
            ["stdbuf", "-oL", "mosquitto_sub", "-d", "-h", host, "-p", port, "-V", version,
             "-q", str(qos), "-t", filter, "-F", f"> {form}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self._process.stdout:
            if line.startswith("Subscribed"):
                break
        self._reader = threading.Thread(target=self._collect)
        self._reader.start()

    def _collect(self):
        for line in self._process.stdout:
            if line.startswith("> "):
                self.read.append(line[2:].strip())

    def lines(self, count):
        harness.eventually(lambda: len(self.read) >= count, f"{count} messages")
        return self.stop()

    def stop(self):
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        return self.read


def shared_over_many_streams(running):
    """Messages of one moment in different streams have the same place there: none is taken for
    another."""
    first, second = (gateway.listen["mqtt"] for gateway in running.gateways)
    member = mqtt.Client(second, 5)
    member.connect("shared-member")
    harness.check_equal(member.subscribe("$share/many/+/work"), [1], "SUBSCRIBE")
    maker = mqtt.Client(first, 5)
    maker.connect("shared-maker")
    for batch in range(0, 400, 40):
        for line in range(40):
            maker.publish(f"line{line}/work", str(batch + line), wait=False)
        for _ in range(40):
            maker.wait(mqtt.PUBACK)
    found = sorted(int(member.message()[1]) for _ in range(400))
    harness.check_equal(found, list(range(400)), "messages of a shared subscription")
