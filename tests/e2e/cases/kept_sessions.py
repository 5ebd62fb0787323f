"""Sessions and wills outlive the pod that held them: a gateway is killed, clients come back to the
other one, and no QoS 1 message is missing. Then clients move to and fro while messages come."""

import os
import signal
import threading
import time

from homestack.redis import RedisClient

import harness
import mqtt

LEASE_MS = 2000
MESSAGES = 60
MOVERS = 40
MOVES = 6


def run(context):
    settings = {"pod-lease-ms": str(LEASE_MS), "publishes-per-second": "0",
                "source-connects-per-second": "0"}
    with harness.stack(context.bin, profile="conformance", gateway_settings=settings) as running:
        killed(running)
        moved(running)
        claimed(running)
        moved_again(running)
        will_of_one_who_slept(running)
        wills_at_once(running)


def killed(running):
    first, second = (gateway.listen["mqtt"] for gateway in running.gateways)
    away = Client(first, "away", "kept/away/#")
    away.client.close()
    pooled = Client(first, "pooled", "$share/pool/kept/pooled/#")
    pooled.client.close()
    mute = Client(first, "mute", "kept/mute/#")  # reads nothing, so acknowledges nothing
    listener = Client(second, "listener", "wills/#")
    mortal = mqtt.Client(first)
    mortal.connect("mortal", will=("wills/mortal", "gone"))
    nimble = mqtt.Client(first)
    nimble.connect("nimble", will=("wills/nimble", "gone"))
    publisher = mqtt.Client(second)
    publisher.connect("publisher")
    for number in range(MESSAGES):
        if number == MESSAGES // 3:
            running.kill("gateway-0")
            nimble = mqtt.Client(second)
            nimble.connect("nimble", will=("wills/nimble", "gone"))
        publisher.publish("kept/away/x", str(number))
        publisher.publish("kept/mute/x", str(number))
        publisher.publish("kept/pooled/x", str(number))
    topic, payload = listener.client.message(timeout=3 * LEASE_MS / 1000 + 10)
    harness.check_equal((topic, payload), ("wills/mortal", b"gone"), "the will of a dead pod")
    for name in ("away", "mute", "pooled"):
        back = Client(second, name, None)
        harness.check_equal(back.present, 1, f"session of {name}")
        found = back.numbers(MESSAGES)
        harness.check_equal(sorted(set(found)), list(range(MESSAGES)), f"messages to {name}")
    # Nothing more of the wills: a message published now is the next one.
    publisher.publish("wills/end", "end")
    harness.check_equal(listener.client.message()[0], "wills/end", "no will of a client that is back")
    del mute


def moved(running):
    addresses = [gateway.listen["mqtt"] for gateway in running.gateways]
    movers = [Mover(addresses, f"mover-{number}") for number in range(MOVERS)]
    publisher = mqtt.Client(addresses[0])
    publisher.connect("storm")
    for mover in movers:
        mover.start()
    for number in range(MESSAGES):
        for mover in movers:
            publisher.publish(f"move/{mover.name}", str(number))
    for mover in movers:
        mover.join()
    for mover in movers:
        harness.check_equal(mover.error, None, mover.name)
        harness.check_equal(sorted(set(mover.found)), list(range(MESSAGES)),
                            f"messages to {mover.name}")


def claimed(running):
    """A gateway dies between its claim of a shared message and the write to the queue of its member:
    whoever has that session next delivers the message, and none that the dead one was done with."""
    first, second = (gateway.listen["mqtt"] for gateway in running.gateways)
    publisher = mqtt.Client(second)
    publisher.connect("claimed-publisher")
    for name in ("found", "adopted"):
        member = Client(first, f"claimed-{name}", f"$share/crew/claimed-{name}/x")
        with RedisClient(running.redis.socket) as redis:
            known = redis.call("KEYS", "hp:*:share:*")
            publisher.publish(f"claimed-{name}/x", "0")
            harness.check_equal(member.client.message()[1], b"0", "the first message")
            key, = set(redis.call("KEYS", "hp:*:share:*")) - set(known)
            harness.eventually(lambda: redis.call("GET", key) == "done", "its claim is done")
            member.client.close()
            partition, group = key.split(":share:")[0], key.split(":")[-1]
            owner = redis.call("HGET", f"hp:{{d:claimed-{name}}}:kept:claimed-{name}", "h").split()[0]
            pid = running.pid("gateway-0")
            os.kill(pid, signal.SIGSTOP)
            publisher.publish(f"claimed-{name}/x", "1")
            publisher.publish(f"claimed-{name}/x", "2")
            (last, _), (late, _) = redis.call("XREVRANGE", f"{partition}:bus", "+", "-", "COUNT", 2)
            for place, value in ((last, f"{owner} 7 k"), (late, "done")):
                redis.call("SET", f"{partition}:share:{place}-0:{group}", value, "EX", 60)
            running.kill("gateway-0")
            if name == "adopted":
                harness.eventually(lambda: not redis.call("SISMEMBER", "hp:pods", owner), "adopted")
        back = Client(second, f"claimed-{name}", None)
        harness.check_equal(back.present, 1, "its session")
        publisher.publish(f"claimed-{name}/x", "3")
        harness.check_equal(sorted(back.numbers(2)), [2, 3], f"messages to a member that is {name}")
        harness.eventually(lambda: running.pid("gateway-0") not in (pid, None) and
                           running.gateways[0].ready(), "gateway 0 is back")


def moved_again(running):
    """A client comes back from a dead gateway, and again before its session has caught up with what was
    published in between: what the second gateway had read by then was not read for this session."""
    first, second = (gateway.listen["mqtt"] for gateway in running.gateways)
    restless = Client(first, "restless", "restless/#")
    listener = Client(second, "restless-listener", "restless/#")
    publisher = mqtt.Client(second)
    publisher.connect("restless-publisher")
    pid = running.pid("gateway-0")
    running.kill("gateway-0")
    with RedisClient(running.redis.socket) as redis:
        here = redis.call("HGET", "hp:{d:restless-listener}:kept:restless-listener", "h").split()[0]
        for number in range(MESSAGES):
            publisher.publish("restless/x", str(number))
            listener.client.message()
        last = int(redis.call("XREVRANGE", bus_of(redis, b"restless/x"), "+", "-", "COUNT", 1)[0][0]
                   .split("-")[0])
        harness.eventually(lambda: last <= max(
            int(place.split("-")[0]) for place in redis.call("HVALS", f"hp:{{g:{here}}}:places")),
            "the second gateway has noted what it has read")
    for _ in range(3):
        restless = Client(second, "restless", None)
        harness.check_equal(restless.present, 1, "its session")
        restless.client.reset()
    restless = Client(second, "restless", None)
    found = restless.numbers(MESSAGES)
    harness.check_equal(sorted(set(found)), list(range(MESSAGES)), "messages to one who moves on")
    harness.eventually(lambda: running.pid("gateway-0") not in (pid, None) and
                       running.gateways[0].ready(), "gateway 0 is back")


def bus_of(redis, topic):
    """The stream in which the last entry has that topic."""
    for key in redis.call("KEYS", "hp:*:bus"):
        newest = redis.call("XREVRANGE", key, "+", "-", "COUNT", 1)
        if newest and topic.decode() in str(newest[0][1]):
            return key
    raise harness.Failed(f"no stream ends with {topic}")


def will_of_one_who_slept(running):
    """A gateway stands still until its client's will has been published; what the client has after that
    is no second one."""
    first, second = (gateway.listen["mqtt"] for gateway in running.gateways)
    listener = Client(second, "watcher", "slept/#")
    dozer = mqtt.Client(first)
    dozer.connect("dozer", will=("slept/will", "gone"))
    os.kill(running.pid("gateway-0"), signal.SIGSTOP)
    try:
        harness.check_equal(listener.client.message(timeout=30)[0], "slept/will", "its will")
    finally:
        os.kill(running.pid("gateway-0"), signal.SIGCONT)
    dozer.publish("dozer/x", "awake")
    time.sleep(2 * LEASE_MS / 1000)  # for a lease's time the gateway knows that it was taken for dead
    dozer.reset()
    with RedisClient(running.redis.socket) as redis:
        harness.eventually(lambda: not any(" " in field for field in redis.call(
            "HKEYS", "hp:{d:dozer}:sess")), "the end of its session")
    other = mqtt.Client(first)
    other.connect("waker")
    other.publish("slept/end", "end")
    harness.check_equal(listener.client.message()[0], "slept/end", "no second will")


def wills_at_once(running):
    """Who has CONNACK has its will: the gateway dies at that moment."""
    listener = Client(running.gateways[1].listen["mqtt"], "mourner", "at-once/#")
    mortals = [mqtt.Client(running.gateways[0].listen["mqtt"]) for _ in range(MOVERS)]
    for number, mortal in enumerate(mortals):
        mortal.send_connect(f"at-once-{number}", will=(f"at-once/{number}", "gone"))
    for mortal in mortals:
        mortal.wait(mqtt.CONNACK)
    running.kill("gateway-0")
    found = sorted(int(listener.client.message()[0].split("/")[1]) for _ in mortals)
    harness.check_equal(found, list(range(MOVERS)), "wills")


class Client:
    def __init__(self, address, name, topic_filter):
        self.client = mqtt.Client(address)
        self.present, code = self.client.connect(name, clean=False)
        harness.check_equal(code, 0, f"CONNECT of {name}")
        if topic_filter:
            harness.check_equal(self.client.subscribe(topic_filter), [1], f"SUBSCRIBE of {name}")

    def numbers(self, wanted):
        """The numbers that come until `wanted` different ones are there."""
        found = []
        while len(set(found)) < wanted:
            try:
                found.append(int(self.client.message()[1]))
            except TimeoutError:
                break
        return found


class Mover(threading.Thread):
    """Connects to the gateways in turn, each time taking its own session over, and reads."""

    def __init__(self, addresses, name):
        super().__init__()
        self.name, self.found, self.error = name, [], None
        self._addresses = addresses
        self._client = Client(addresses[0], name, f"move/{name}")

    def run(self):
        try:
            for move in range(1, MOVES + 1):
                self.found += self._client.numbers((move * MESSAGES // MOVES) - len(set(self.found)))
                former = self._client
                self._client = Client(self._addresses[move % 2], self.name, None)
                former.client.close()
                harness.check_equal(self._client.present, 1, f"session of {self.name}")
            while len(set(self.found)) < MESSAGES:
                self.found.append(int(self._client.client.message(timeout=20)[1]))
        except (harness.Failed, OSError, TimeoutError, mqtt.Closed) as error:
            self.error = f"{error!r} after {len(set(self.found))} messages"
