"""Live authenticated sessions on one machine across many gateway processes, both ends here: memory,
connect rate, keep-alive's CPU, a command to a random device, and a gateway killed. HOMEPORT_BENCH_SESSIONS
says how many (504,000 when not said)."""

import contextlib
import os
import random
import signal
import time

import grpc

import support
from homestack import metrics

EACH_MAX = 18_000  # of a gateway: the others have room for those of one that dies
GATEWAYS_MIN = 14  # among which those are dealt out
COMMANDS = 200
HOLD_SECONDS = 20


def run(bench):
    wanted = int(os.environ.get("HOMEPORT_BENCH_SESSIONS", 504_000))
    gateways = max(GATEWAYS_MIN, -(-wanted // EACH_MAX))
    each = wanted // gateways
    settings = {"source-connects-per-second": 0, "reactors": 1}
    with support.stack(bench.bin, gateways=gateways, settings=settings, restart=False) as stack, \
            contextlib.ExitStack() as generators:
        before = memory_used()
        begun = time.monotonic()
        loads = [generators.enter_context(load(bench, stack, index, each)) for index in range(gateways)]
        sessions = await_sessions(stack, gateways * each)
        ramp = time.monotonic() - begun
        used = memory_used() - before
        pids = [stack.pid(f"gateway-{index}") for index in range(gateways)]
        cpu = sum(map(support.cpu_seconds, pids))
        time.sleep(HOLD_SECONDS)
        cpu = (sum(map(support.cpu_seconds, pids)) - cpu) / HOLD_SECONDS
        latencies = commands(stack, gateways, each)
        recovery = kill_one(stack, sessions)
        bench.row(sessions=sessions, gateways=gateways, connect_seconds=ramp,
                  connects_per_s=sessions / ramp, bytes_per_session=used / sessions,
                  gateway_resident_bytes=sum(map(resident_bytes, pids[1:])) / len(pids[1:]) / each,
                  keep_alive_cpu=cpu, command_p50_ms=latencies[len(latencies) // 2],
                  command_p99_ms=latencies[len(latencies) * 99 // 100], recovery_s=recovery)
        for one in loads:
            one.stop()
    bench.table({"sessions": ("sessions", "{}"), "gateways": ("gateways", "{}"),
                 "connects/s": ("connects_per_s", "{:.0f}"),
                 "bytes each, both ends, all processes and kernel": ("bytes_per_session", "{:.0f}"),
                 "keep-alive CPU, cores": ("keep_alive_cpu", "{:.3f}"),
                 "command p50 ms": ("command_p50_ms", "{:.1f}"),
                 "p99 ms": ("command_p99_ms", "{:.1f}"),
                 "gateway killed: all back after s": ("recovery_s", "{:.1f}")})


def load(bench, stack, index, each):
    """Sessions dealt out to all gateways; those that are lost come back to other ones."""
    targets = ",".join(gateway.listen["mqtt"] for gateway in stack.gateways)
    return support.Generator(bench.bin, "idle", targets, [], stack, connections=each,
                             sources=f"127.0.1.{index + 1},127.0.2.{index + 1}",
                             client_prefix=f"m{index:03}-", seconds=3600, keep_alive=600,
                             connect_window=8)


def await_sessions(stack, wanted, seconds=1200):
    deadline = time.monotonic() + seconds
    found = 0
    while time.monotonic() < deadline:
        found = sum(gateway_sessions(gateway) for gateway in stack.gateways)
        if found >= wanted:
            return found
        time.sleep(0.5)
    raise SystemExit(f"{found} sessions of {wanted} after {seconds} s")


def gateway_sessions(gateway):
    return int(metrics.scrape(gateway.metrics).total("homeport_gateway_sessions"))


def memory_used():
    fields = {}
    for line in open("/proc/meminfo"):
        name, value = line.split(":")
        fields[name] = int(value.split()[0]) * 1024
    return fields["MemTotal"] - fields["MemAvailable"]


def resident_bytes(pid):
    for line in open(f"/proc/{pid}/smaps_rollup"):
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    return 0


def commands(stack, gateways, each):
    """Round trips in ms of commands to devices drawn by chance, through gateways drawn by chance."""
    from homeport.control.v1 import control_pb2
    chance = random.Random(1)
    taken = []
    for _ in range(COMMANDS):
        device = f"m{chance.randrange(gateways):03}-{chance.randrange(each):06}"
        control = stack.api.control(chance.choice(stack.gateways).listen["grpc"])
        request = control_pb2.SetPropertiesRequest(name=f"tenants/default/devices/{device}")
        value = request.properties.add()
        value.property.name = "bench.value"
        value.value.int_value = chance.randrange(1000)
        begun = time.monotonic()
        try:
            control.SetProperties(request, timeout=10)
        except grpc.RpcError as error:
            raise SystemExit(f"SetProperties of {device}: {error.code()} {error.details()}")
        taken.append((time.monotonic() - begun) * 1000)
    return sorted(taken)


def kill_one(stack, sessions):
    """Kills a gateway for good and waits until as many sessions live on the others as there were."""
    os.kill(stack.pid("gateway-0"), signal.SIGKILL)
    begun = time.monotonic()
    others = stack.gateways[1:]
    while sum(map(gateway_sessions, others)) < sessions:
        if time.monotonic() - begun > 300:
            raise SystemExit("the sessions of a killed gateway did not come back in 300 s")
        time.sleep(0.2)
    return time.monotonic() - begun
