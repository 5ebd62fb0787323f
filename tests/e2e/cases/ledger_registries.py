"""Two registry pods under load. One of them is killed, paused past its lease and woken, cut from Redis
and from PostgreSQL in turn; then every report, event, telemetry message and value of a property counts exactly once."""

import collections
import itertools
import os
import signal
import threading
import time

from homestack import bench_product, metrics
from homestack.pods import Registry

import harness
import ledger
import mqtt
import tcp_proxy
from harness import check, check_equal, eventually

POD = "registry-b"
PREFIX = "counted-"
DEVICES = 8
ROUND_SECONDS = 0.05
OWNED = "homeport_registry_partitions_owned"
FENCED = "homeport_registry_fenced_total"
PARTITIONS = 64
# Longer than the lease of a partition (5 s), and than a worker waits for PostgreSQL (10 s) with --full.
AWAY_SECONDS = 8
AWAY_SECONDS_FULL = 20


class CutRegistry(Registry):
    """A second registry, whose ways to Redis and PostgreSQL go through proxies."""

    def __init__(self, context):
        super().__init__(context, context.options.profile, POD)
        self.redis = tcp_proxy.Proxy(context.redis.socket)
        postgres = context.postgres.address().split()
        folder = next(word[len("host="):] for word in postgres if word.startswith("host="))
        self.postgres = tcp_proxy.Proxy(f"{folder}/.s.PGSQL.{context.postgres.port}")
        self._conninfo = " ".join(
            ["host=127.0.0.1", f"port={self.postgres.port}", "sslmode=disable",
             *(word for word in postgres if not word.startswith(("host=", "port=")))])

    def settings(self):
        return {**super().settings(), "redis": f"127.0.0.1:{self.redis.port}",
                "postgres": self._conninfo}


def run(arguments):
    away = AWAY_SECONDS_FULL if arguments.full else AWAY_SECONDS
    plan = ledger.Plan(seconds_stopped=0, devices=200, rate=800)
    with harness.stack(arguments.bin) as stack:
        values_are_kept(stack)
        other = CutRegistry(stack)
        stack.add(other)
        share_is_taken(stack, other)
        load, more = ledger.Load(stack, plan), MoreLoad(stack)
        time.sleep(plan.between)
        kill(stack, other)
        pause(stack, other, away)
        cut(stack, other, "Redis", other.redis, away)
        cut(stack, other, "PostgreSQL", other.postgres, away)
        ledger.everyone_is_reachable(stack, plan)
        sent = more.finish()
        result = load.finish()
        print(f"load: {result}")
        ledger.judge(stack, load, result)
        judge_values(stack, load)
        more.judge(sent)
        other.redis.stop()
        other.postgres.stop()


def values_are_kept(stack):
    """The bench product keeps its numbers as history, and the registry knows."""
    from homeport.product.v1 import product_pb2
    products = stack.api.products(stack.registry.grpc)
    product = products.GetProduct(product_pb2.GetProductRequest(
        name=f"tenants/default/products/{bench_product.PRODUCT}"), timeout=10)
    product.history.properties.append("bench.value")
    products.UpdateProduct(product_pb2.UpdateProductRequest(product=product), timeout=10)
    probe = harness.Device(stack, "history-probe", subscribe=False)
    numbers = itertools.count(1)

    def kept():
        probe.report('{"params":[{"siid":2,"piid":1,"value":%d}]}' % next(numbers))
        return stack.database.number("SELECT count(*) FROM property_sample")
    eventually(kept, "reported numbers become history", 10)
    probe.client.disconnect()


def judge_values(stack, load):
    """Each device has counted up: its history is every number once, in order."""
    wanted = {row["device"]: int(row["count_sent"]) for row in load.rows()}
    rows = stack.database.rows(
        "SELECT device, count(*), bool_and(number = place) FROM (SELECT device, number,"
        " row_number() OVER (PARTITION BY device ORDER BY id) AS place FROM property_sample"
        f" WHERE device LIKE '{ledger.PREFIX}%') AS r GROUP BY device")
    check_equal({device: (int(count), in_order) for device, count, in_order in rows},
                {device: (count, "t") for device, count in wanted.items()},
                "values of history, and whether they count up")
    print(f"{sum(wanted.values())} values of {len(wanted)} devices in history, each exactly once")


def share_is_taken(stack, other):
    """Both pods own partitions, together all."""
    def shared():
        owned = [metrics.scrape(pod.metrics).total(OWNED) for pod in (stack.registry, other)]
        return all(owned) and sum(owned) == PARTITIONS
    eventually(shared, "both registries own partitions, together all", 60)


def kill(stack, other):
    stack.kill(POD)
    print_recovery(stack, "killed")
    share_is_taken(stack, other)


def pause(stack, other, seconds):
    """The pod wakes as the former owner of its partitions: what it was about to write is refused."""
    pid = stack.pid(POD)
    fenced = metrics.scrape(other.metrics).total(FENCED)
    os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: metrics.scrape(stack.registry.metrics).total(OWNED) == PARTITIONS,
                   "the other registry has taken over what the paused one owned", seconds + 30)
        time.sleep(seconds / 4)  # commits of the new owner, which the paused pod knows nothing of
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: metrics.scrape(other.metrics).total(FENCED) > fenced,
               "the paused registry was fenced off", 30)
    print_recovery(stack, "paused past its lease and woken")
    share_is_taken(stack, other)


def cut(stack, other, what, proxy, seconds):
    proxy.cut()
    time.sleep(seconds)
    proxy.heal()
    print_recovery(stack, f"cut from {what} for {seconds} s")
    share_is_taken(stack, other)


def print_recovery(stack, what):
    begun = time.monotonic()
    ledger.seen_after(stack, POD, begun)
    print(f"{POD} {what}: a report made afterwards was committed after "
          f"{time.monotonic() - begun:.2f} s", flush=True)


class MoreLoad:
    """Devices that send numbered events and telemetry. Their gateway does not fail, so that each is
    acknowledged, and sent once."""

    def __init__(self, stack):
        self._stack = stack
        self._stop = threading.Event()
        self._sent = 0
        self._error = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self):
        """How many of each kind each device has sent."""
        self._stop.set()
        self._thread.join(60)
        check(self._error is None, f"the load of events ended early: {self._error}")
        check(self._sent > 0, "no event was sent")
        return self._sent

    def judge(self, sent):
        wanted = {f"{PREFIX}{i}": set(range(1, sent + 1)) for i in range(DEVICES)}
        for table, value in (("event", "(arguments::json->>'value')"),
                             ("telemetry", "convert_from(payload, 'UTF8')")):
            def stored():
                rows = self._stack.database.rows(f"SELECT device, {value} FROM {table} "
                                                 f"WHERE device LIKE '{PREFIX}%'")
                return rows if len(rows) >= sent * DEVICES else None
            rows = eventually(stored, f"as many rows of {table} as were sent", 60)
            numbers = collections.defaultdict(list)
            for device, number in rows:
                numbers[device].append(int(number))
            check_equal(len(rows), sent * DEVICES, f"rows of {table}")
            check_equal({device: set(found) for device, found in numbers.items()}, wanted,
                        f"numbers of {table}")
            print(f"{len(rows)} rows of {table}, each message stored exactly once")

    def _run(self):
        try:
            clients = [self._connect(f"{PREFIX}{i}") for i in range(DEVICES)]
            while not self._stop.wait(ROUND_SECONDS):
                self._sent += 1
                for device, client in clients:
                    self._send(device, client)
            for _, client in clients:
                client.disconnect()
        except (OSError, mqtt.Closed, harness.Failed) as error:
            self._error = error

    def _connect(self, device):
        client = mqtt.Client(self._stack.gateways[0].listen["mqtt"], timeout=60)
        username, password = harness.credentials(self._stack, device)
        check_equal(client.connect(device, username, password)[1], 0, f"CONNECT of {device}")
        return device, client

    def _send(self, device, client):
        for topic, payload in (
                ("event/2/1", '{"arguments":[{"piid":1,"value":%d}]}' % self._sent),
                ("telemetry/meter", str(self._sent))):
            check_equal(client.publish(f"device/{device}/up/{topic}", payload), 0,
                        f"the acknowledgement of {topic}")
