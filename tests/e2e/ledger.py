"""The ledger: reports with growing ids over many devices while one part after another fails; then
every acknowledged report's effect must be in PostgreSQL exactly once."""

import csv
import json
import os
import signal
import subprocess
import threading
import time

import grpc

from homestack import bench_product
from homestack.process import MORTAL, family
from homestack.redis import RedisClient

import harness
import mqtt
from harness import check, check_equal, eventually

PREFIX = "ledger-"
PARTS = ("gateway-0", "registry", "redis", "postgres")
RECOVERY_SECONDS = 60
DRAIN_SECONDS = 90
REACHABLE_SECONDS = 15
WATCHED = 8


class Plan:
    """How a run fails its parts. `seconds_stopped` 0 means kill -9."""

    def __init__(self, seconds_stopped, devices=400, rate=2000, between=3.0):
        self.seconds_stopped = seconds_stopped
        self.devices = devices
        self.rate = rate
        self.between = between


def run(arguments, plan):
    with harness.stack(arguments.bin) as stack, Load(stack, plan) as load:
        watcher = Watcher(stack)
        time.sleep(plan.between + 2)
        for part in PARTS:
            fail(stack, plan, part)
            time.sleep(plan.between)
        everyone_is_reachable(stack, plan)
        result = load.finish()
        watcher.stop()
        print(f"load: {result}")
        judge(stack, load, result)
        watcher.judge()
        no_record_of_a_dead_pod(stack)


def fail(stack, plan, part):
    if plan.seconds_stopped:
        pids = family(stack.pid(part)) if part == "postgres" else [stack.pid(part)]
        send(pids, signal.SIGSTOP)
        time.sleep(plan.seconds_stopped)
        send(pids, signal.SIGCONT)
        what = f"stopped for {plan.seconds_stopped} s"
    else:
        stack.kill(part)
        what = "killed"
    begun = time.monotonic()
    seen_after(stack, part, begun)
    print(f"{part} {what}: a report made afterwards was committed after "
          f"{time.monotonic() - begun:.2f} s", flush=True)


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass  # a PostgreSQL session that has just ended


def seen_after(stack, part, begun):
    """Reports through the first gateway until a report made after the fault is in PostgreSQL."""
    device = f"probe-{part}"
    mark = int(time.time() * 1000)
    acknowledged = False
    while time.monotonic() - begun < RECOVERY_SECONDS:
        try:
            if not acknowledged:
                client = mqtt.Client(stack.gateways[0].listen["mqtt"], timeout=2)
                username, password = harness.credentials(stack, device)
                check_equal(client.connect(device, username, password)[1], 0, "CONNACK")
                client.publish(f"device/{device}/up/properties",
                               f'{{"params":[{{"siid":2,"piid":1,"value":{mark}}}]}}')
                client.disconnect()
                acknowledged = True
            if stack.database.rows(f"SELECT 1 FROM shadow WHERE device = '{device}' AND name = '' "
                                   f"AND state LIKE '%{mark}%'"):
                return
        except (OSError, mqtt.Closed, harness.Failed, harness.StackError):
            pass  # not back yet
        time.sleep(0.02)
    raise harness.Failed(f"{part}: no report was committed within {RECOVERY_SECONDS} s")


class Load:
    """homeport-bench-mqtt ledger, over both gateways."""

    def __init__(self, stack, plan):
        self.csv = stack.state.path("ledger.csv")
        self._log = open(stack.state.path("log", "ledger.log"), "wb")
        self._process = subprocess.Popen(
            [*MORTAL, str(stack.bin / "homeport-bench-mqtt"), "ledger",
             "--target=" + ",".join(g.listen["mqtt"] for g in stack.gateways),
             f"--product={bench_product.PRODUCT}", f"--fleet-key={stack.bench_fleet_key()}",
             f"--client-prefix={PREFIX}", f"--devices={plan.devices}", f"--rate={plan.rate}",
             "--seconds=3600", f"--csv={self.csv}", f"--drain={DRAIN_SECONDS}"],
            stdout=subprocess.PIPE, stderr=self._log, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def finish(self):
        """Ends the making of reports, waits until all are acknowledged."""
        check_equal(self._process.poll(), None, "exit code of the load before its end")
        self._process.terminate()
        output, _ = self._process.communicate(timeout=DRAIN_SECONDS + 10)
        check_equal(self._process.returncode, 0, f"exit code of the load: {output}")
        return json.loads(output)

    def rows(self):
        with open(self.csv, newline="") as file:
            return list(csv.DictReader(file))


def judge(stack, load, result):
    check_equal(result["unacked"], 0, "reports without an acknowledgement")
    check(result["acked"] >= result["made"] > 0, f"all reports were acknowledged: {result}")
    wanted = {row["device"]: int(row["count_sent"]) for row in load.rows()}

    def committed():
        rows = stack.database.rows("SELECT device, version, last_report_id, state FROM shadow "
                                   f"WHERE name = '' AND device LIKE '{PREFIX}%'")
        found = {device: (int(version), int(last), json.loads(state))
                 for device, version, last, state in rows}
        return found if sum(v for v, _, _ in found.values()) >= sum(wanted.values()) else None

    found = eventually(committed, "as many versions in PostgreSQL as reports were made", 60)
    wrong = [f"{device}: {count} reports, version {found[device][0]}, last id {found[device][1]}, "
             f"state {found[device][2]}" for device, count in wanted.items()
             if device not in found or found[device][:2] != (count, count)
             or found[device][2].get("reported") != {"bench": {"value": count}}]
    check(not wrong, f"{len(wrong)} devices differ:\n  " + "\n  ".join(wrong[:10]))
    print(f"{sum(wanted.values())} reports of {len(wanted)} devices, each applied exactly once "
          f"({result['resent']} sent again)")


def everyone_is_reachable(stack, plan):
    """After the faults: each device is connected, and the stores know it and where."""
    eventually(lambda: len([r for r in session_records(stack) if r[0].startswith(PREFIX)])
               == plan.devices, "every device of the load has a session record", REACHABLE_SECONDS)
    eventually(lambda: stack.database.number(
        f"SELECT count(*) FROM device WHERE id LIKE '{PREFIX}%' AND online") == plan.devices,
        "every device of the load is online", REACHABLE_SECONDS)


def session_records(stack):
    """(device, pod) of each session record."""
    with RedisClient(stack.redis.socket) as redis:
        return [(key[len("hp:{d:"):-len("}:sess")], field.split()[0])
                for key in redis.scan("hp:{d:*}:sess")
                for field in (redis.call("HGETALL", key) or [])[::2] if " " in field]


def no_record_of_a_dead_pod(stack):
    def dead():
        with RedisClient(stack.redis.socket) as redis:
            return {pod for _, pod in session_records(stack)
                    if not redis.call("EXISTS", f"hp:pod:{pod}")}

    eventually(lambda: not dead(), "no session record is owned by a pod without lease", 60)
    eventually(lambda: stack.database.number(
        "SELECT count(*) FROM device_session WHERE device LIKE 'ledger-%'") == 0,
        "no session row is left of the load's devices", 60)


class Watcher:
    """Watches some devices all along: their versions and values may only grow."""

    def __init__(self, stack):
        from homeport.control.v1 import control_pb2
        self._request = control_pb2.WatchRequest(
            names=[f"tenants/-/devices/{PREFIX}{i:06d}" for i in range(WATCHED)])
        self._control = stack.api.control(stack.gateways[1].listen["grpc"])
        self._latest = {}
        self._events = 0
        self._problems = []
        self._stopping = threading.Event()
        self._call = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        self._stopping.set()
        if self._call:
            self._call.cancel()
        self._thread.join(10)

    def judge(self):
        check(not self._problems, "Watch went back:\n  " + "\n  ".join(self._problems[:10]))
        check(self._events > 0, "Watch delivered no event")
        print(f"Watch: {self._events} events of {len(self._latest)} devices, all in order")

    def _run(self):
        while not self._stopping.wait(0.2):
            try:
                self._call = self._control.Watch(self._request)
                for event in self._call:
                    self._look(event)
            except grpc.RpcError:
                continue  # the devices are not registered yet, or a part is away

    def _look(self, event):
        values = [p.value.int_value for p in event.properties if p.property.name == "bench.value"]
        if not values:
            return
        self._events += 1
        version, value = self._latest.get(event.name, (0, 0))
        if event.shadow_version < version or values[0] < value:
            self._problems.append(f"{event.name}: version {version} value {value}, then version "
                                  f"{event.shadow_version} value {values[0]}")
        self._latest[event.name] = (event.shadow_version, values[0])
