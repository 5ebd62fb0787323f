"""A Node phone that knows only the .proto files reads, sets and watches a device of the fleet."""

import shutil
import subprocess
import sys
from pathlib import Path

import harness
from harness import check, check_equal
from support_fleet import find_lamp

FOLDER = Path(__file__).resolve().parents[1] / "node"
BUILT = harness.REPOSITORY / "build" / "test" / "node"


def run(arguments):
    install()
    with harness.stack(arguments.bin, fleet=16, profile="demo") as stack:
        lamp, value = find_lamp(stack)
        # Node does not like an address in the place of a server's name.
        address = stack.gateways[1].listen["grpc"].replace("127.0.0.1", "localhost")
        result = subprocess.run(
            ["node", str(BUILT / "phone.mjs"), str(harness.REPOSITORY / "proto"),
             address, str(stack.pki.ca_cert), stack.tokens.admin(), lamp,
             "light.brightness", str(value)], capture_output=True, text=True, timeout=60)
        sys.stdout.write(result.stdout)
        check_equal((result.returncode, result.stderr), (0, ""), "the Node client")
        for line in ("online=true", "KIND_SNAPSHOT", "OUTCOME_DONE",
                     f"seen light.brightness = {value}"):
            check(line in result.stdout, f"the Node client did not say {line!r}")


def install(source=FOLDER, built=BUILT, program="phone.mjs"):
    """npm packages go below build/, exactly those of the lock file; once for each lock file."""
    built.mkdir(parents=True, exist_ok=True)
    lock = (source / "package-lock.json").read_text()
    done = built / "installed.json"
    shutil.copy(source / program, built)
    if done.exists() and done.read_text() == lock:
        return
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(source / name, built)
    result = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=built,
                            capture_output=True, text=True, timeout=300)
    check(result.returncode == 0, f"npm ci failed: {result.stdout}{result.stderr}")
    done.write_text(lock)
