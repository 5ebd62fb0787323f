"""What every end-to-end case works with: a stack of its own in a temporary folder, and checks."""

import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import grpc

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "deploy" / "local"))

from homestack import bench_product  # noqa: E402
from homestack.stack import Options, Stack  # noqa: E402
from homestack.state import StackError  # noqa: E402, F401

import mqtt  # noqa: E402

os.environ["no_proxy"] = "127.0.0.1,localhost"

SKIP = 77  # ctest shows the case as skipped
BROKEN = re.compile(r".*(?:AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|"
                    r"check_failed|terminate called|Assertion).*")


class Failed(Exception):
    """What a case found; its text is the report."""


class Skipped(Exception):
    """The machine lacks something the case needs; the text says what."""


def check(condition, what):
    if not condition:
        raise Failed(what)


def check_equal(found, wanted, what):
    check(found == wanted, f"{what}: expected {wanted!r}, found {found!r}")


def eventually(probe, what, seconds=10.0):
    """Calls `probe` until it gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


@contextlib.contextmanager
def stack(bin_folder, fleet=0, gateways=2, profile="bench", gateway_settings=None,
          registry_settings=None):
    """A running stack; its folder is removed when all went well, and named when not. That a part ends
    is a failure, unless the case has ended it by `kill` of the stack."""
    folder = Path(tempfile.mkdtemp(prefix="homeport-e2e-"))
    running = Stack(Options(state=folder, bin=bin_folder, devices=fleet, gateways=gateways,
                            profile=profile, gateway_settings=gateway_settings or {},
                            registry_settings=registry_settings or {}))
    try:
        running.start()
        if fleet:
            running.start_fleet()
        running.write_env()
        yield running
        running.stop()
        check_equal(running.wrong_ends() + broken(folder), [], "parts that ended by themselves, or "
                    "not as they should, and what their logs say of it")
    except BaseException:
        running.stop()
        _print_logs(folder)
        print(f"the stack's folder is kept: {folder}")
        raise
    remove_state(folder)


def broken(folder):
    """Lines of the logs that tell of a bug."""
    return [f"{path.name}: {line}" for path in sorted((folder / "log").glob("*.log"))
            for line in BROKEN.findall(path.read_text(errors="replace"))]


def remove_state(folder):
    for name in ("postgres", "redis"):
        if (folder / name).is_symlink():
            shutil.rmtree((folder / name).resolve(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _print_logs(folder):
    for path in sorted((folder / "log").glob("*.log")):
        lines = path.read_text(errors="replace").splitlines()[-20:]
        print(f"---- {path.name}\n" + "\n".join(lines))


class Device:
    """A device of the bench product on one gateway."""

    def __init__(self, running, device, gateway=0, version=4, client_id=None, subscribe=True):
        self.id = device
        self.name = f"tenants/default/devices/{device}"
        self.client = mqtt.Client(running.gateways[gateway].listen["mqtt"], version)
        username, password = credentials(running, device)
        _, code = self.client.connect(client_id or device, username, password)
        check_equal(code, 0, f"CONNECT of {device}")
        if subscribe:
            codes = self.client.subscribe(*(f"device/{device}/down/{verb}/+"
                                            for verb in ("get", "set", "action")),
                                          f"device/{device}/down/refused")
            check_equal(codes, [1, 1, 1, 1], f"SUBSCRIBE of {device}")

    def report(self, payload):
        """Publishes a property report; returns the PUBACK code."""
        return self.client.publish(f"device/{self.id}/up/properties", payload)


def credentials(running, device):
    """(user name, password) of an unregistered device of the bench product."""
    username = f"{bench_product.PRODUCT}/{device}"
    return username, mqtt.fleet_password(username, running.bench_fleet_key())


def reported(running, device):
    """{property: value} of the classic shadow, and its version, through the first gateway; nothing
    at version 0 where the device is not registered yet."""
    from homeport.control.v1 import control_pb2
    control = running.api.control(running.gateways[0].listen["grpc"])
    try:
        state = control.GetProperties(control_pb2.GetPropertiesRequest(
            name=f"tenants/default/devices/{device}"), timeout=5)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.PERMISSION_DENIED:
            raise
        return {}, 0
    return {p.property.name: getattr(p.value, p.value.WhichOneof("kind"))
            for p in state.properties}, state.shadow_version
