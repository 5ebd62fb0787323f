"""What the benches share: rows and tables, the load generator, peers run beside Homeport."""

import contextlib
import datetime
import getpass
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "deploy" / "local"))

from homestack import bench_product  # noqa: E402
from homestack.drain import await_drained  # noqa: E402
from homestack.stack import Options, Stack  # noqa: E402

os.environ["no_proxy"] = "127.0.0.1,localhost"

# One publisher's limits would measure themselves.
UNLIMITED = {"publishes-per-second": 0, "bytes-per-second": 0}
REPORTS = "homeport_registry_shadow_versions_total"


class Bench:
    """Collects the rows of one bench; writes each to build/bench/NAME.jsonl as it comes."""

    def __init__(self, name, bin_folder):
        self.name = name
        self.bin = bin_folder
        self.rows = []
        self._file = REPOSITORY / "build" / "bench" / f"{name}.jsonl"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._machine = machine()

    def row(self, **fields):
        self.rows.append(fields)
        when = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        with open(self._file, "a") as file:
            row = {"bench": self.name, "date": when, **self._machine, **fields}
            file.write(json.dumps(row) + "\n")

    def say(self, text):
        print(f"    {text}", flush=True)

    def table(self, columns):
        """`columns`: {title: (field, format)}; rows that lack a field show a dash."""
        lines = [list(columns)]
        for row in self.rows:
            lines.append([form.format(row[field]) if row.get(field) is not None else "-"
                          for field, form in columns.values()])
        widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
        for line in lines:
            print("  " + "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                                   for i, (cell, width) in enumerate(zip(line, widths))))


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), platform.machine())
    commit = subprocess.run(["git", "-C", str(REPOSITORY), "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True).stdout.strip()
    return {"machine": f"{model}, {os.cpu_count()} cores", "kernel": platform.release(),
            "commit": commit}


def median(rows, field):
    return statistics.median(row[field] for row in rows)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def family_cpu_seconds(pid):
    """The process's and its children's, those that have ended included."""
    total = 0
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(entry) == pid:
            total += sum(map(int, fields[11:15]))
        elif int(fields[1]) == pid:
            total += sum(map(int, fields[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


def kernel_bytes():
    """What the kernel has taken for sockets and the like, of all processes."""
    fields = {}
    for line in open("/proc/meminfo"):
        name, value = line.split(":")
        fields[name] = int(value.split()[0]) * 1024
    return fields["Slab"] + fields["KernelStack"] + fields["PageTables"]


@contextlib.contextmanager
def stack(bin_folder, gateways=1, profile="bench", settings=None, restart=True, buffers_mb=256):
    """A registry and gateways, without the limits of a single publisher."""
    with tempfile.TemporaryDirectory(prefix="homeport-bench-") as folder:
        running = Stack(Options(state=Path(folder), bin=bin_folder, gateways=gateways,
                                profile=profile, restart=restart, shared_buffers_mb=buffers_mb,
                                gateway_settings={**UNLIMITED, **(settings or {})}),
                        say=lambda text: None)
        try:
            running.start()
            yield running
        finally:
            running.stop()


def drained(running, seconds=300):
    """Waits until the registry has committed all that is in the streams."""
    if not await_drained(running, seconds):
        raise SystemExit(f"the streams were not committed after {seconds} s")


def publish(bin_folder, target, server_pids, running=None, **settings):
    """One run of homeport-bench-mqtt publish; its JSON result. `running` gives the credentials."""
    return generate(bin_folder, "publish", target, server_pids, running, **settings)


def generate(bin_folder, mode, target, server_pids, running=None, **settings):
    """One run of homeport-bench-mqtt; its JSON result."""
    with Generator(bin_folder, mode, target, server_pids, running, **settings) as generator:
        return generator.result()


class Generator:
    """homeport-bench-mqtt at work. `running` gives the credentials of devices."""

    def __init__(self, bin_folder, mode, target, server_pids, running=None, **settings):
        if running:
            settings = {"product": bench_product.PRODUCT, "fleet-key": running.bench_fleet_key(),
                        **settings}
        self._command = [str(bin_folder / "homeport-bench-mqtt"), mode, f"--target={target}",
                         "--server-pid=" + ",".join(map(str, server_pids)),
                         *(f"--{name.replace('_', '-')}={value}"
                           for name, value in settings.items())]

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    @property
    def pid(self):
        return self._process.pid

    def at_work(self):
        return self._process.poll() is None

    def stop(self):
        self._process.terminate()

    def result(self):
        out, err = self._process.communicate()
        if self._process.returncode != 0:
            raise SystemExit(f"{' '.join(self._command)}\n{out}{err}")
        return json.loads(out)


class Mosquitto:
    """Debian's mosquitto: no authentication, nothing on disk; over TLS with the stack's own keys
    where `pki` is given."""

    def __init__(self, address, pki=None):
        self.address = address
        self._pki = pki
        self._folder = tempfile.TemporaryDirectory(prefix="homeport-mosquitto-")
        self._process = None

    def __enter__(self):
        config = Path(self._folder.name) / "mosquitto.conf"
        host, port = self.address.rsplit(":", 1)
        config.write_text(f"listener {port} {host}\nallow_anonymous true\npersistence false\n"
                          "max_connections -1\nset_tcp_nodelay true\nlog_dest none\n"
                          "max_queued_messages 0\n" + self._tls())
        self._process = subprocess.Popen(["mosquitto", "-c", str(config)])
        time.sleep(0.5)
        return self

    def _tls(self):
        if not self._pki:
            return ""
        # As root it would give its rights away, and with them those to the key.
        return (f"user {getpass.getuser()}\ncertfile {self._pki.server_cert}\n"
                f"keyfile {self._pki.server_key}\n")

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()

    @property
    def pid(self):
        return self._process.pid
