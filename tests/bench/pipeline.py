"""Reports committed as shadow versions per second, beside pgbench doing the same batched update on
the same PostgreSQL; then how long a report takes to a phone's watch at half that load."""

import os
import re
import signal
import subprocess
import threading
import time

import grpc

import support
from homestack import metrics
from homestack.drain import uncommitted
from homestack.postgres import BIN

DEVICES = 4000
FILL_SECONDS = 5
TURNS = 3
PGBENCH_SECONDS = 5
PGBENCH_CLIENTS = 2  # as many as the registry has workers
HALF_LOAD_SECONDS = 10
WATCHED = 20
PREFIX = "bench-"
TRANSACTIONS = "homeport_registry_transactions_total"


def run(bench):
    with support.stack(bench.bin) as stack:
        fill(bench, stack, seconds=1)  # registers the devices, makes their shadows
        support.drained(stack)
        registry, peer = [], []
        for turn in range(TURNS):
            result = commit_rate(bench, stack)
            registry.append(result)
            peer.append(Pgbench(stack, result["rows_per_transaction"]).rows_per_second())
            bench.say(f"turn {turn + 1}: registry {result['per_second']:.0f} reports/s, "
                      f"{result['rows_per_second']:.0f} rows/s; "
                      f"pgbench {peer[-1]['rows_per_second']:.0f} rows/s")
        for subject, results in (("homeport-registry", registry), ("pgbench", peer)):
            bench.row(subject=subject, load="as fast as it goes", turns=TURNS, devices=DEVICES,
                      **{field: support.median(results, field) for field in results[0]})
        whole_path(bench, stack)
        half_load(bench, stack, bench.rows[-1]["per_second"] / 2)
        report(bench)


def fill(bench, stack, seconds, **settings):
    return support.publish(bench.bin, stack.gateways[0].listen["mqtt"], [], stack,
                           **{"connections": DEVICES, "window": 4, "warm-up": 0, "seconds": seconds,
                              "client-prefix": PREFIX, **settings})


def commit_rate(bench, stack):
    """Lets reports pile up in the streams, then measures how fast the registry commits them. A
    transaction writes the row of a device once, however many reports of it it applies."""
    registry = stack.pid("registry")
    before, rows_before = metrics.scrape(stack.registry.metrics), rows_written(stack)
    os.kill(registry, signal.SIGSTOP)
    try:
        fill(bench, stack, FILL_SECONDS)
    finally:
        os.kill(registry, signal.SIGCONT)
    pages = [metrics.scrape(stack.registry.metrics)]
    while uncommitted(stack) > 0:
        time.sleep(0.1)
        pages.append(metrics.scrape(stack.registry.metrics))
    pages.append(metrics.scrape(stack.registry.metrics))
    # From the first commit after the pause to the last one.
    moving = [b for a, b in zip(pages, pages[1:])
              if a and b and b.total(support.REPORTS) > a.total(support.REPORTS)]
    first, last = moving[0], moving[-1]
    per_second = metrics.rate(first, last, support.REPORTS)
    versions = last.total(support.REPORTS) - before.total(support.REPORTS)
    rows = rows_written(stack) - rows_before
    transactions = last.total(TRANSACTIONS) - before.total(TRANSACTIONS)
    return {"per_second": per_second, "rows_per_second": per_second * rows / versions,
            "rows_per_transaction": round(rows / transactions)}


def rows_written(stack):
    time.sleep(1.5)  # sessions of PostgreSQL tell their counts about once a second
    return stack.database.number("SELECT sum(n_tup_ins + n_tup_upd) FROM pg_stat_user_tables "
                                 "WHERE relname ~ '^shadow_p'")


class Pgbench:
    """The registry's upsert over a table of the same shape in the same server, with as many rows in
    a transaction as the registry had."""

    def __init__(self, stack, rows):
        self._stack = stack
        self._rows = max(1, min(rows, DEVICES))
        self._folder = stack.state.path("pgbench")
        self._folder.mkdir(exist_ok=True)

    def rows_per_second(self):
        self._make_table()
        scripts = [self._script(start) for start in range(0, DEVICES - self._rows + 1, self._rows)]
        command = [str(BIN / "pgbench"), "-n", "-M", "simple", "-c", str(PGBENCH_CLIENTS),
                   "-j", str(PGBENCH_CLIENTS), "-T", str(PGBENCH_SECONDS),
                   *(f"--file={script}" for script in scripts[:100]),
                   self._stack.postgres.address()]
        result = subprocess.run(command, capture_output=True, text=True)
        found = re.search(r"tps = ([\d.]+)", result.stdout)
        if result.returncode != 0 or not found:
            raise SystemExit(f"pgbench failed:\n{result.stdout}{result.stderr}")
        return {"rows_per_second": float(found.group(1)) * self._rows,
                "rows_per_transaction": self._rows}

    def _make_table(self):
        partitions = "".join(
            f"CREATE TABLE peer_p{i} PARTITION OF peer FOR VALUES WITH (MODULUS 16, REMAINDER {i}) "
            "WITH (fillfactor = 70);" for i in range(16))
        self._stack.database.rows(
            "DROP TABLE IF EXISTS peer; CREATE TABLE peer (LIKE shadow INCLUDING ALL) "
            f"PARTITION BY HASH (device); {partitions} "
            f"INSERT INTO peer SELECT * FROM shadow WHERE device LIKE '{PREFIX}%'")
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


def whole_path(bench, stack):
    """Generator, gateway, Redis, registry and PostgreSQL all at work: from the first report to the
    last commit."""
    before = metrics.scrape(stack.registry.metrics)
    fill(bench, stack, FILL_SECONDS)
    support.drained(stack)
    after = metrics.scrape(stack.registry.metrics)
    bench.row(subject="homeport, whole path", load="as fast as it goes",
              per_second=metrics.rate(before, after, support.REPORTS))


def half_load(bench, stack, rate):
    watch = Watch(stack)
    result = fill(bench, stack, HALF_LOAD_SECONDS, rate=rate, window=20, **{"warm-up": 2})
    watch.stop()
    bench.row(subject="homeport, whole path", load="half load", per_second=result["acked_per_s"],
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
                 "reports/s": ("per_second", "{:.0f}"), "rows/s": ("rows_per_second", "{:.0f}"),
                 "rows in a transaction": ("rows_per_transaction", "{:.0f}"),
                 "PUBACK p50 us": ("puback_p50_us", "{:.0f}"),
                 "p99 us": ("puback_p99_us", "{:.0f}"),
                 "to watch p50 ms": ("watch_p50_ms", "{:.1f}"),
                 "p99 ms": ("watch_p99_ms", "{:.1f}")})
    registry, peer = bench.rows[0], bench.rows[1]
    print(f"  reports committed: {registry['per_second'] / peer['rows_per_second']:.2f} x pgbench's"
          f" rows (target >= 0.5); rows written:"
          f" {registry['rows_per_second'] / peer['rows_per_second']:.2f} x")
