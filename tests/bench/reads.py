"""Reads over gRPC: GetShadow and ListDevices of the registry, beside a server of the same kind that
answers the same methods with the same messages from memory. Calls per second, and CPU per call of the
server's process and, for the registry, of PostgreSQL too."""

import base64
import json
import subprocess
import time

import population
import support

TURNS = 5
SECONDS = 3
DEVICES = 20_000
CALLS = 2_000  # different requests of a method
IN_FLIGHT = 32
PAGES = 100
TARGET = 0.3
METHODS = {
    "GetShadow": "/homeport.shadow.v1.ShadowService/GetShadow",
    "ListDevices": "/homeport.device.v1.DeviceService/ListDevices",
}


def run(bench):
    kinds, source = population.slots()
    bench.say(f"{DEVICES} devices, kinds by {source}")
    with support.stack(bench.bin) as stack:
        population.make_products(stack, kinds)
        population.populate(stack, kinds, DEVICES)
        requests = write_requests(stack)
        with Echo(bench, stack) as echo:
            results = {(method, server): [] for method in METHODS for server in ("homeport", "echo")}
            for turn in range(TURNS):
                for method in METHODS:
                    registry = [stack.pid("registry")]
                    postgres = [stack.pid("postgres")]
                    results[method, "homeport"].append(
                        measure(bench, stack, method, stack.registry.grpc, requests[method],
                                registry, postgres))
                    results[method, "echo"].append(
                        measure(bench, stack, method, echo.address, requests[method],
                                [echo.pid], []))
                bench.say(f"turn {turn + 1}: " + ", ".join(
                    f"{method} {server} {rows[-1]['per_second']:.0f}/s"
                    for (method, server), rows in results.items()))
    for (method, server), rows in results.items():
        bench.row(method=method, subject=server, turns=TURNS,
                  **{field: support.median(rows, field) for field in rows[0]})
    bench.table({"method": ("method", "{}"), "server": ("subject", "{}"),
                 "answer bytes": ("answer_bytes", "{:.0f}"), "calls/s": ("per_second", "{:.0f}"),
                 "p50 us": ("p50_us", "{:.0f}"), "p99 us": ("p99_us", "{:.0f}"),
                 "server CPU us a call": ("server_us", "{:.1f}"),
                 "with PostgreSQL": ("all_us", "{:.1f}"),
                 "calls/s a core of the server": ("per_core", "{:.0f}")})
    for method in METHODS:
        ours, theirs = (next(row for row in bench.rows if row["method"] == method
                             and row["subject"] == subject) for subject in ("homeport", "echo"))
        print(f"  {method}: {ours['per_core'] / theirs['per_core']:.2f} x the echo a core of the server, "
              f"{theirs['server_us'] / ours['all_us']:.2f} x with PostgreSQL's CPU, "
              f"{ours['per_second'] / theirs['per_second']:.2f} x in calls/s (target >= {TARGET})")


def write_requests(stack):
    """{method: file of requests}, and the answers to the first of each for the echo."""
    from homeport.device.v1 import device_pb2
    from homeport.shadow.v1 import shadow_pb2
    devices = stack.api.devices(stack.registry.grpc)
    shadows = [shadow_pb2.GetShadowRequest(
        name=f"tenants/default/devices/{population.device_name(i * DEVICES // CALLS)}/shadows/-")
        for i in range(CALLS)]
    lists = [device_pb2.ListDevicesRequest(parent="tenants/default")]
    while len(lists) < PAGES:
        page = devices.ListDevices(lists[-1], timeout=10)
        lists.append(device_pb2.ListDevicesRequest(parent="tenants/default",
                                                   page_token=page.next_page_token))
    folder = stack.state.path("reads")
    folder.mkdir(exist_ok=True)
    files = {}
    for method, requests in (("GetShadow", shadows), ("ListDevices", lists)):
        files[method] = folder / f"{method}.requests"
        files[method].write_text("".join(
            base64.b64encode(request.SerializeToString()).decode() + "\n" for request in requests))
    answers = [stack.api.shadows(stack.registry.grpc).GetShadow(request, timeout=10)
               for request in shadows[:population.SLOTS]]
    answers.sort(key=lambda answer: answer.ByteSize())
    mean = sum(answer.ByteSize() for answer in answers) / len(answers)
    alike = min(answers, key=lambda answer: abs(answer.ByteSize() - mean))
    (folder / "shadow").write_bytes(alike.SerializeToString())
    (folder / "devices").write_bytes(devices.ListDevices(lists[1], timeout=10).SerializeToString())
    return files


class Echo:
    """homeport-bench-reads echo, with the keys of the stack's own servers."""

    def __init__(self, bench, stack):
        self.address = stack.state.address("echo.grpc")
        folder = stack.state.path("reads")
        self._command = [str(bench.bin / "homeport-bench-reads"), "echo", f"--listen={self.address}",
                         f"--tls-cert={stack.pki.server_cert}", f"--tls-key={stack.pki.server_key}",
                         f"--shadow={folder / 'shadow'}", f"--devices={folder / 'devices'}"]

    def __enter__(self):
        self._process = subprocess.Popen(self._command)
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()

    @property
    def pid(self):
        return self._process.pid


def measure(bench, stack, method, address, requests, server, database):
    load(bench, stack, method, address, requests, seconds=1)
    before = [sum(map(support.family_cpu_seconds, pids)) for pids in (server, database)]
    result = load(bench, stack, method, address, requests, seconds=SECONDS)
    after = [sum(map(support.family_cpu_seconds, pids)) for pids in (server, database)]
    server_us, database_us = ((b - a) / result["calls"] * 1e6 for a, b in zip(before, after))
    return {**result, "server_us": server_us, "all_us": server_us + database_us,
            "per_core": 1e6 / server_us}


def load(bench, stack, method, address, requests, seconds):
    deadline = time.monotonic() + 10
    command = [str(bench.bin / "homeport-bench-reads"), "load", f"--target={address}",
               f"--ca={stack.pki.ca_cert}", f"--token={stack.tokens.admin_file}",
               f"--method={METHODS[method]}", f"--requests={requests}",
               f"--in-flight={IN_FLIGHT}", f"--seconds={seconds}"]
    while True:
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode == 0:
            return json.loads(result.stdout)
        if time.monotonic() > deadline:
            raise SystemExit(f"{' '.join(command)}\n{result.stdout}{result.stderr}")
        time.sleep(0.2)
