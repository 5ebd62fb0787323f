"""The Paho C library: tests/e2e/paho_c, built where libpaho-mqtt-dev is installed."""

import subprocess
import sys

import harness
from harness import check_equal

SCHEMES = {"mqtt": "tcp", "mqtts": "ssl", "ws": "ws", "wss": "wss"}


def run(context):
    program = context.bin / "paho_client"
    if not program.exists():
        raise harness.Skipped("libpaho-mqtt-dev was not installed when the tests were built")
    with harness.stack(context.bin, profile="conformance") as running:
        urls = []
        for kind, scheme in SCHEMES.items():
            port = running.gateways[0].listen[kind].rsplit(":", 1)[1]
            urls.append(f"{scheme}://localhost:{port}" + ("/mqtt" if scheme[0] == "w" else ""))
        result = subprocess.run([program, str(running.pki.ca_cert), *urls], capture_output=True,
                                text=True, timeout=120)
    sys.stdout.write(result.stdout)
    check_equal((result.returncode, len(result.stdout.splitlines())), (0, 12),
                f"the Paho C client: {result.stderr}")
