"""A Python phone that knows only the .proto files reads, sets and watches a device of the fleet."""

import subprocess
import sys
from pathlib import Path

import harness
from harness import check, check_equal
from support_fleet import find_lamp

CLIENT = Path(__file__).resolve().parents[1] / "clients" / "phone.py"


def run(arguments):
    with harness.stack(arguments.bin, fleet=16, profile="demo") as stack:
        lamp, value = find_lamp(stack)
        result = subprocess.run(
            ["/usr/bin/python3", str(CLIENT), str(stack.state.path("stubs")),
             stack.gateways[0].listen["grpc"], str(stack.pki.ca_cert), stack.tokens.admin(), lamp,
             "light.brightness", str(value)], capture_output=True, text=True, timeout=60)
        sys.stdout.write(result.stdout)
        check_equal((result.returncode, result.stderr), (0, ""), "the Python client")
        for line in ("online=True", "KIND_SNAPSHOT", "OUTCOME_DONE",
                     f"seen light.brightness = {value}"):
            check(line in result.stdout, f"the Python client did not say {line!r}")
