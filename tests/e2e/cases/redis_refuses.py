"""Redis refuses single commands, or dies, while clients talk to each other: a shared subscription
loses nothing that was acknowledged, what cannot be stored is not promised, and the will of a client
of which nobody knows whether it is back is not published."""

import threading

import harness
import mqtt
from homestack import metrics
from homestack.redis import RedisClient

LEASE_MS = 2000
MESSAGES = 400


def run(context):
    settings = {"pod-lease-ms": LEASE_MS, "publishes-per-second": 0}
    with harness.stack(context.bin, profile="conformance", gateway_settings=settings) as running:
        shared_claims_refused(running)
        shared_over_an_outage(running)
        full(running)
        unknown_client(running)


def shared_claims_refused(running):
    members = [client(running, number % 2, f"member-{number}") for number in range(2)]
    for member in members:
        harness.check_equal(member.subscribe("$share/crew/job/#"), [1], "SUBSCRIBE of a member")
    writer = client(running, 0, "boss")
    with RedisClient(running.redis.socket) as redis:
        redis.call("ACL", "SETUSER", "default", "-set")
        writer.publish("job/1", "first")
        harness.check_equal(silent(members), True, "nobody can claim the message")
        redis.call("ACL", "SETUSER", "default", "+set")
    found = first_of(members)
    harness.check_equal(found, ("job/1", b"first"), "the message whose claim was refused")
    for member in members:
        member.disconnect()


def shared_over_an_outage(running):
    members = [Member(client(running, number % 2, f"worker-{number}")) for number in range(2)]
    writer = client(running, 1, "foreman")
    for number in range(MESSAGES):
        if number in (MESSAGES // 4, MESSAGES // 2):
            running.kill("redis")
        harness.check_equal(writer.publish("work/x", str(number)), 0, "PUBACK")
    wanted = {b"%d" % number for number in range(MESSAGES)}
    harness.eventually(lambda: set().union(*(member.found for member in members)) >= wanted,
                       "every acknowledged message at a member", 30)
    for member in members:
        member.stop()


def full(running):
    """A Redis without memory: what was acknowledged is stored once there is some again."""
    sleeper = client(running, 0, "sleeper", clean=False)
    harness.check_equal(sleeper.subscribe("night/#"), [1], "SUBSCRIBE")
    sleeper.close()
    away = client(running, 0, "late", clean=False)
    writer = client(running, 1, "owl")
    with RedisClient(running.redis.socket) as redis:
        before = refused_writes(running.gateways[0])
        redis.call("CONFIG", "SET", "maxmemory", "1")
        answered = threading.Thread(target=lambda: codes.append(away.subscribe("morning/#")))
        codes = []
        answered.start()
        packet = threading.Thread(target=lambda: codes.append(writer.publish("night/1", "dream")))
        packet.start()
        harness.eventually(lambda: refused_writes(running.gateways[0]) > before,
                           "refused writes are counted")
        harness.check_equal(codes, [], "what was acknowledged without memory")
        redis.call("CONFIG", "SET", "maxmemory", "0")
    answered.join(20)
    packet.join(20)
    harness.check_equal(sorted(map(str, codes)), ["0", "[1]"], "acknowledgements")
    away.close()
    back = client(running, 1, "late", clean=False)
    writer.publish("morning/1", "sun")
    harness.check_equal(back.message(), ("morning/1", b"sun"), "the stored subscription")
    back = client(running, 1, "sleeper", clean=False)
    harness.check_equal(back.message(), ("night/1", b"dream"), "the message of the night")


def unknown_client(running):
    """A dead pod's will waits until Redis says whether its client is back."""
    listener = client(running, 1, "listener")
    listener.subscribe("wills/#")
    mortal = mqtt.Client(running.gateways[0].listen["mqtt"])
    mortal.connect("mortal", will=("wills/mortal", "gone"))
    record = "hp:{d:mortal}:sess"
    with RedisClient(running.redis.socket) as redis:
        pod = next(field.split()[0] for field in redis.call("HKEYS", record) if " " in field)
        running.kill("gateway-0")
        redis.call("RENAME", record, "saved")
        redis.call("SET", record, "not a record")
        harness.eventually(lambda: redis.call("EXISTS", f"hp:{{g:{pod}}}:adopter"),
                           "a pod that takes over", 20)
        harness.check_equal(silent([listener], 2), True, "no will while nobody knows")
        redis.call("RENAME", "saved", record)
        redis.call("DEL", f"hp:{{g:{pod}}}:adopter")  # which would last for half a minute
    # An attempt under way may have claimed the pod once more, for half a minute.
    harness.check_equal(listener.message(60), ("wills/mortal", b"gone"),
                        "the will")


def client(running, gateway, name, clean=True):
    made = mqtt.Client(running.gateways[gateway].listen["mqtt"], timeout=30)
    _, code = made.connect(name, clean=clean)
    harness.check_equal(code, 0, f"CONNECT of {name}")
    return made


def silent(clients, seconds=1):
    for each in clients:
        try:
            each.message(seconds)
            return False
        except TimeoutError:
            pass
    return True


def first_of(clients):
    for _ in range(20):
        for each in clients:
            try:
                return each.message(0.5)
            except TimeoutError:
                pass
    return None


def refused_writes(gateway):
    return metrics.scrape(gateway.metrics).total("homeport_gateway_refusals_total",
                                                 reason="session_write_refused")


class Member(threading.Thread):
    """A member of a shared subscription that notes what it gets."""

    def __init__(self, connection):
        super().__init__(daemon=True)
        harness.check_equal(connection.subscribe("$share/crew/work/#"), [1], "SUBSCRIBE")
        self.found = set()
        self._client = connection
        self._ends = False
        self.start()

    def run(self):
        while not self._ends:
            try:
                self.found = self.found | {self._client.message(0.5)[1]}
            except TimeoutError:
                pass

    def stop(self):
        self._ends = True
        self.join()
