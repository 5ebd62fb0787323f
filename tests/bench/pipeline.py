"""The registry at 100,000 and at 1,000,000 devices' rows, with reports as workload-profile.json has
devices: committed per second beside pgbench doing the same batched upsert on the same table, lag and
shadow requests at half of that load, and what it takes of PostgreSQL. A turn has each device report
once at most, so that no two reports share a row's write at either size. The registry may keep the states
of all its devices (cached-devices), and PostgreSQL their rows (shared_buffers, 2 GB for every size);
cold is the rate at which each is read for the first time.
HOMEPORT_BENCH_DEVICES names other sizes ("100000" for a short run)."""

import os
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import population
import support
from homestack import bench_product, metrics
from homestack.postgres import BIN

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import mqtt  # noqa: E402

TURNS = 7
SHARED_BUFFERS_MB = 2048
REPORTS = 100_000  # of a turn
PGBENCH_SECONDS = 5
PGBENCH_CLIENTS = 2  # as many as the registry has workers
HALF_SECONDS = 20
SAMPLE_SECONDS = 0.1
GROWTH_MAX = 0.2
TRANSACTIONS = "homeport_registry_transactions_total"
LAG = "homeport_registry_stream_lag_seconds"
TABLES = "^(device|credential|shadow|device_session|device_child|hub_child|presence_check)_p[0-9]+$"


def run(bench):
    sizes = [int(size) for size in os.environ.get("HOMEPORT_BENCH_DEVICES", "100000,1000000").split(",")]
    kinds, source = population.slots()
    bench.say(f"kinds of devices by {source}")
    for size in sizes:
        os.environ["HOMEPORT_CACHED_DEVICES"] = str(size + size // 4)  # workers' shares differ
        with support.stack(bench.bin, buffers_mb=SHARED_BUFFERS_MB) as stack:
            population.make_products(stack, kinds)
            seconds, epoch = population.populate(stack, kinds, size)
            bench.say(f"{size} devices' rows put in {seconds:.0f} s")
            measure(bench, Fleet(bench, stack, kinds, size, epoch))
    report(bench)


class Fleet:
    """The devices of one size, who report through homeport-bench-pipeline."""

    def __init__(self, bench, stack, kinds, size, epoch):
        self.stack, self.size = stack, size
        mix = stack.state.path("mix")
        mix.write_text("".join(f"{slot.product} {slot.properties} {int(slot.events)}\n"
                               for slot in kinds))
        self._command = [str(bench.bin / "homeport-bench-pipeline"), f"--redis={stack.redis.socket}",
                         f"--postgres={stack.postgres.address()}", f"--product={bench_product.PRODUCT}",
                         f"--mix={mix}", f"--devices={size}", f"--epoch={epoch}"]
        self._sequence = 0

    def reports(self, count, rate=0):
        """Feeds so many; without a rate all at once, while the registry stands still. Returns those
        committed per second."""
        self._sequence += 1
        where = [f"--rate={rate}"] if rate else [f"--registry-pid={self.stack.pid('registry')}"]
        result = subprocess.run([*self._command, f"--reports={count}", f"--seed={self._sequence}", *where],
                                capture_output=True, text=True)
        found = re.search(r"([\d.]+) reports/s", result.stdout)
        if result.returncode != 0 or not found:
            raise SystemExit(f"homeport-bench-pipeline failed:\n{result.stdout}{result.stderr}")
        return float(found.group(1))


def measure(bench, fleet):
    stack, database = fleet.stack, fleet.stack.database
    rows_bytes = database.number("SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
                                 f"WHERE relkind = 'r' AND relname ~ '{TABLES}'")
    cold = fleet.reports(fleet.size)
    bench.say(f"{fleet.size} devices: {cold:.0f} reports/s, each the first of its device")
    ours, theirs, rows, grown = [], [], [], []
    for turn in range(TURNS):
        counts, before = Counts(stack), Storage(stack)
        ours.append(fleet.reports(REPORTS))
        rows.append(Counts(stack).rows_per_transaction(counts))
        grown.append(Storage(stack).since(before, REPORTS))
        theirs.append(pgbench(stack, max(1, rows[-1])))
        bench.say(f"{fleet.size} devices, turn {turn + 1}: {ours[-1]:.0f} reports/s, "
                  f"pgbench {theirs[-1]:.0f} rows/s")
    committed, peer = statistics.median(ours), statistics.median(theirs)
    half = half_load(fleet, int(committed / 2))
    bench.row(devices=fleet.size, reports_per_s=committed, cold_per_s=cold, pgbench_rows_per_s=peer,
              ratio=committed / peer, rows_per_transaction=statistics.median(rows),
              bytes_per_device=rows_bytes / fleet.size, **{field: support.median(grown, field) for field in grown[0]}, **half)


class Counts:
    """Rows of shadows written, and the transactions of the registry, since they started."""

    def __init__(self, stack):
        time.sleep(1.5)  # sessions of PostgreSQL tell their counts about once a second
        self._rows = stack.database.number("SELECT sum(n_tup_ins + n_tup_upd) FROM "
                                           "pg_stat_user_tables WHERE relname ~ '^shadow_p'")
        self._transactions = metrics.scrape(stack.registry.metrics).total(TRANSACTIONS)

    def rows_per_transaction(self, before):
        return round((self._rows - before._rows) / (self._transactions - before._transactions))


class Storage:
    """What PostgreSQL holds, and has written ahead."""

    def __init__(self, stack):
        self._size = stack.database.number("SELECT pg_database_size(current_database())")
        self._wal = stack.database.number("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")

    def since(self, before, reports):
        """MB of a million reports."""
        return {"grown_mb_per_million": (self._size - before._size) / reports,
                "wal_mb_per_million": (self._wal - before._wal) / reports}


def pgbench(stack, rows):
    """Rows per second of the registry's upsert, over the same rows in another order, as many in a
    transaction as the registry has. The batches lie in a table, so that the statement is short."""
    stack.database.rows(
        "DROP TABLE IF EXISTS bench_batch; CREATE UNLOGGED TABLE bench_batch AS SELECT n, "
        "array_agg(device) AS device, array_agg(name) AS name, array_agg(version) AS version, "
        "array_agg(last_report_id) AS last_report_id, array_agg(deleted) AS deleted, "
        "array_agg(state) AS state, array_agg(metadata) AS metadata FROM (SELECT *, "
        f"(row_number() OVER (ORDER BY hashtext(device)) - 1) / {rows} AS n FROM shadow) AS s GROUP BY n;"
        "CREATE UNIQUE INDEX ON bench_batch (n)", seconds=600)
    stack.database.rows("ANALYZE bench_batch")
    batches = stack.database.number("SELECT count(*) FROM bench_batch")
    folder = stack.state.path("pgbench")
    folder.mkdir(exist_ok=True)
    script = folder / "upsert.sql"
    script.write_text(
        f"\\set n random(0, {batches - 1})\n"
        "INSERT INTO shadow (device, name, version, last_report_id, deleted, state, metadata) "
        "SELECT u.* FROM bench_batch AS b, unnest(b.device, b.name, b.version, b.last_report_id, "
        "b.deleted, b.state, b.metadata) AS u WHERE b.n = :n ON CONFLICT (device, name) DO UPDATE SET "
        "version = excluded.version, last_report_id = excluded.last_report_id, "
        "deleted = excluded.deleted, state = excluded.state, metadata = excluded.metadata;\n")
    result = subprocess.run(
        [str(BIN / "pgbench"), "-n", "-M", "prepared", "-c", str(PGBENCH_CLIENTS), "-j",
         str(PGBENCH_CLIENTS), "-T", str(PGBENCH_SECONDS), f"--file={script}", stack.postgres.address()],
        capture_output=True, text=True)
    found = re.search(r"tps = ([\d.]+)", result.stdout)
    if result.returncode != 0 or not found:
        raise SystemExit(f"pgbench failed:\n{result.stdout}{result.stderr}")
    stack.database.rows("DROP TABLE bench_batch")
    return float(found.group(1)) * rows


def half_load(fleet, rate):
    """Lag of the streams, and shadow requests of one device through a gateway, at so many reports/s."""
    feeder = threading.Thread(target=fleet.reports, args=(rate * HALF_SECONDS, rate))
    probe = ShadowProbe(fleet.stack)
    feeder.start()
    time.sleep(2)  # until the load is there
    lags = []
    sampler = threading.Thread(target=sample_lag, args=(fleet.stack, feeder, lags))
    sampler.start()
    seconds = probe.run(until=time.monotonic() + HALF_SECONDS - 4)
    feeder.join()
    sampler.join()
    lags.sort()
    return {"half_load_per_s": rate, "requests": len(seconds),
            **{f"lag_p{q}_ms": metrics.percentile(lags, q / 100) * 1000 for q in (50, 99)},
            **{f"accepted_p{q}_ms": metrics.percentile(seconds, q / 100) * 1000 for q in (50, 99)}}


def sample_lag(stack, feeder, lags):
    while feeder.is_alive():
        lags.append(metrics.scrape(stack.registry.metrics).largest(LAG))
        time.sleep(SAMPLE_SECONDS)


class ShadowProbe:
    """A device that updates its shadow, waits for `accepted`, and does so again."""

    NAME = "bench-probe"

    def __init__(self, stack):
        username = f"{bench_product.PRODUCT}/{self.NAME}"
        self._client = mqtt.Client(stack.gateways[0].listen["mqtt"])
        code = self._client.connect(self.NAME, username,
                                    mqtt.fleet_password(username, stack.bench_fleet_key()))[1]
        if code != 0:
            raise SystemExit(f"the probe may not connect: {code}")
        self._topic = f"$aws/things/{self.NAME}/shadow/update"
        self._client.subscribe(self._topic + "/accepted")

    def run(self, until):
        seconds = []
        while time.monotonic() < until:
            begun = time.monotonic()
            self._client.publish(self._topic, '{"state":{"reported":{"n":%d}}}' % len(seconds), wait=False)
            self._client.message(timeout=30)
            seconds.append(time.monotonic() - begun)
        self._client.close()
        return seconds


def report(bench):
    bench.table({"devices": ("devices", "{}"), "reports/s": ("reports_per_s", "{:.0f}"),
                 "cold": ("cold_per_s", "{:.0f}"),
                 "pgbench rows/s": ("pgbench_rows_per_s", "{:.0f}"), "ratio": ("ratio", "{:.2f}"),
                 "rows a transaction": ("rows_per_transaction", "{:.0f}"),
                 "bytes a device": ("bytes_per_device", "{:.0f}"),
                 "MB a million reports": ("grown_mb_per_million", "{:.0f}"),
                 "WAL MB": ("wal_mb_per_million", "{:.0f}")})
    for row in bench.rows:
        print(f"  {row['devices']} devices at {row['half_load_per_s']} reports/s: lag p50 "
              f"{row['lag_p50_ms']:.0f} ms, p99 {row['lag_p99_ms']:.0f} ms; shadow update to accepted p50 "
              f"{row['accepted_p50_ms']:.1f} ms, p99 {row['accepted_p99_ms']:.1f} ms "
              f"({row['requests']} requests)")
    if len(bench.rows) > 1:
        first, last = bench.rows[0], bench.rows[-1]
        print(f"  from {first['devices']} to {last['devices']} devices: "
              f"{last['reports_per_s'] / first['reports_per_s']:.2f} x the reports/s (target >= "
              f"{1 - GROWTH_MAX}), pgbench {last['pgbench_rows_per_s'] / first['pgbench_rows_per_s']:.2f} x")
