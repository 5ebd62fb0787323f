"""Reports committed as shadow versions per second, beside pgbench doing the same batched update on
the same PostgreSQL; then how long a report takes to a phone's watch at parts of that load."""

import re
import subprocess
import threading
import time

import grpc

import support
from homestack import bench_product, metrics
from homestack.postgres import BIN

TURNS = 3
BACKLOG = 100_000
# Who makes the backlog: each report another device's, or few devices with many reports each, whose
# row a transaction then writes once for several reports.
DEVICES = {"each device once": BACKLOG, "25 reports a device": BACKLOG // 25}
PGBENCH_SECONDS = 5
PGBENCH_CLIENTS = 2  # as many as the registry has workers
MQTT_DEVICES = 4000
MQTT_SECONDS = 5
PART_SECONDS = 8
# Of what the whole path takes. Its two cores also run the generator, and reports of one device no
# longer merge when they are few, so half of it may still be more than they can do.
PARTS = (8, 4, 2)
WATCHED = 20
PREFIX = "bench-"
TRANSACTIONS = "homeport_registry_transactions_total"


def run(bench):
    with support.stack(bench.bin) as stack:
        results = {load: [] for load in (*DEVICES, "pgbench")}
        for turn in range(TURNS):
            for load, devices in DEVICES.items():
                results[load].append(commit_rate(bench, stack, devices))
            peer = Pgbench(stack, results["each device once"][-1]["rows_per_transaction"])
            results["pgbench"].append(peer.rows_per_second())
            bench.say(f"turn {turn + 1}: " + ", ".join(
                f"{load} {rows[-1]['per_second']:.0f}/s" for load, rows in results.items()))
        for load, rows in results.items():
            subject = "pgbench" if load == "pgbench" else "homeport-registry"
            bench.row(subject=subject, load=load, turns=TURNS, backlog=BACKLOG,
                      **{field: support.median(rows, field) for field in rows[0]})
        whole_path(bench, stack)
        most = bench.rows[-1]["per_second"]
        for part in PARTS:
            part_load(bench, stack, part, most / part)
        report(bench)


def commit_rate(bench, stack, devices):
    """homeport-bench-pipeline puts a backlog into the streams while the registry stands still, then
    measures how fast it is committed. Its devices are registered and known before."""
    before = Counts(stack)
    result = subprocess.run(
        [str(bench.bin / "homeport-bench-pipeline"), f"--redis={stack.redis.socket}",
         f"--postgres={stack.postgres.address()}", f"--product={bench_product.PRODUCT}",
         f"--devices={devices}", f"--reports={BACKLOG}",
         f"--registry-pid={stack.pid('registry')}"], capture_output=True, text=True)
    found = re.search(r"([\d.]+) reports/s", result.stdout)
    if result.returncode != 0 or not found:
        raise SystemExit(f"homeport-bench-pipeline failed:\n{result.stdout}{result.stderr}")
    after = Counts(stack)
    rows = (after.rows - before.rows) / (after.transactions - before.transactions)
    return {"per_second": float(found.group(1)), "rows_per_transaction": round(rows)}


class Counts:
    """Rows of shadows written, and the transactions of the registry, since they started."""

    def __init__(self, stack):
        time.sleep(1.5)  # sessions of PostgreSQL tell their counts about once a second
        self.rows = stack.database.number("SELECT sum(n_tup_ins + n_tup_upd) FROM "
                                          "pg_stat_user_tables WHERE relname ~ '^shadow_p'")
        self.transactions = metrics.scrape(stack.registry.metrics).total(TRANSACTIONS)


class Pgbench:
    """The registry's upsert over a table of the same shape in the same server, with as many rows in
    a transaction as the registry had."""

    def __init__(self, stack, rows):
        self._stack = stack
        self._rows = max(1, rows)
        self._folder = stack.state.path("pgbench")
        self._folder.mkdir(exist_ok=True)

    def rows_per_second(self):
        self._make_table()
        count = min(50, BACKLOG // self._rows)
        scripts = [self._script(start * self._rows) for start in range(count)]
        command = [str(BIN / "pgbench"), "-n", "-M", "simple", "-c", str(PGBENCH_CLIENTS),
                   "-j", str(PGBENCH_CLIENTS), "-T", str(PGBENCH_SECONDS),
                   *(f"--file={script}" for script in scripts),
                   self._stack.postgres.address()]
        result = subprocess.run(command, capture_output=True, text=True)
        found = re.search(r"tps = ([\d.]+)", result.stdout)
        if result.returncode != 0 or not found:
            raise SystemExit(f"pgbench failed:\n{result.stdout}{result.stderr}")
        return {"per_second": float(found.group(1)) * self._rows,
                "rows_per_transaction": self._rows}

    def _make_table(self):
        partitions = "".join(
            f"CREATE TABLE peer_p{i} PARTITION OF peer FOR VALUES WITH (MODULUS 16, REMAINDER {i}) "
            "WITH (fillfactor = 70);" for i in range(16))
        self._stack.database.rows(
            "DROP TABLE IF EXISTS peer; CREATE TABLE peer (LIKE shadow INCLUDING ALL) "
            f"PARTITION BY HASH (device); {partitions} "
            f"INSERT INTO peer SELECT * FROM shadow LIMIT {BACKLOG}")
        self._stack.database.rows("VACUUM ANALYZE peer")

    def _script(self, start):
        rows = self._stack.database.rows(
            "SELECT array_agg(device), array_agg(name), array_agg(version), "
            "array_agg(last_report_id), array_agg(deleted), array_agg(state), array_agg(metadata) "
            f"FROM (SELECT * FROM peer ORDER BY device LIMIT {self._rows} OFFSET {start}) s")[0]
        types = ("text", "text", "int8", "int8", "bool", "text", "text")
        arrays = ", ".join("'" + value.replace("'", "''") + f"'::{kind}[]"
                           for value, kind in zip(rows, types))
        path = self._folder / f"{start}.sql"
        path.write_text(
            "INSERT INTO peer (device, name, version, last_report_id, deleted, state, metadata) "
            f"SELECT * FROM unnest({arrays}) ON CONFLICT (device, name) DO UPDATE SET "
            "version = excluded.version, last_report_id = excluded.last_report_id, "
            "deleted = excluded.deleted, state = excluded.state, metadata = excluded.metadata;\n")
        return path


def publish(bench, stack, seconds, **settings):
    return support.publish(bench.bin, stack.gateways[0].listen["mqtt"], [], stack,
                           **{"connections": MQTT_DEVICES, "window": 4, "warm-up": 0,
                              "seconds": seconds, "client-prefix": PREFIX, **settings})


def whole_path(bench, stack):
    """Generator, gateway, Redis, registry and PostgreSQL all at work: from the first report to the
    last commit."""
    publish(bench, stack, seconds=1)  # registers the devices, makes their shadows
    support.drained(stack)
    before = metrics.scrape(stack.registry.metrics)
    publish(bench, stack, MQTT_SECONDS)
    support.drained(stack)
    after = metrics.scrape(stack.registry.metrics)
    bench.row(subject="homeport, whole path", load="as fast as it goes",
              per_second=metrics.rate(before, after, support.REPORTS))


def part_load(bench, stack, part, rate):
    watch = Watch(stack)
    result = publish(bench, stack, PART_SECONDS, rate=rate, window=20, **{"warm-up": 2})
    watch.stop()
    bench.row(subject="homeport, whole path", load=f"1/{part} of it", per_second=result["acked_per_s"],
              puback_p50_us=result["puback_p50_us"], puback_p99_us=result["puback_p99_us"],
              watch_p50_ms=watch.percentile(0.5), watch_p99_ms=watch.percentile(0.99),
              watch_events=len(watch.seconds))


class Watch:
    """From a report's arrival at the gateway to its event at a gRPC client, by one clock."""

    def __init__(self, stack):
        from homeport.control.v1 import control_pb2
        self.seconds = []
        self._change = control_pb2.WatchEvent.KIND_CHANGE
        self._call = stack.api.control(stack.gateways[0].listen["grpc"]).Watch(
            control_pb2.WatchRequest(names=[f"tenants/-/devices/{PREFIX}{i:06d}"
                                            for i in range(WATCHED)]))
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def stop(self):
        self._call.cancel()
        self._thread.join(5)

    def percentile(self, q):
        value = metrics.percentile(self.seconds, q)
        return None if value is None else value * 1000

    def _read(self):
        try:
            for event in self._call:
                if event.kind == self._change:
                    made = event.event_time.seconds + event.event_time.nanos / 1e9
                    self.seconds.append(time.time() - made)
        except grpc.RpcError:
            return


def report(bench):
    bench.table({"what": ("subject", "{}"), "load": ("load", "{}"),
                 "reports/s": ("per_second", "{:.0f}"),
                 "rows in a transaction": ("rows_per_transaction", "{:.0f}"),
                 "PUBACK p50 us": ("puback_p50_us", "{:.0f}"),
                 "p99 us": ("puback_p99_us", "{:.0f}"),
                 "to watch p50 ms": ("watch_p50_ms", "{:.1f}"),
                 "p99 ms": ("watch_p99_ms", "{:.1f}")})
    registry, peer = bench.rows[0], bench.rows[len(DEVICES)]
    print(f"  each device once: {registry['per_second'] / peer['per_second']:.2f} x pgbench's rows"
          " (target >= 0.5)")
