"""The shadow service through the AWS IoT device SDKs, unmodified but for endpoint and CA: an app and a
device share the shadow of a thing whose name is neither's client id."""

import shutil
import subprocess
import sys

import harness

from . import node_mqtt


def run(arguments):
    if not shutil.which("npm"):
        raise harness.Skipped("npm is not installed")
    node_mqtt.install()
    with harness.stack(arguments.bin, profile="conformance") as running:
        address = running.gateways[0].listen["mqtts"].replace("127.0.0.1", "localhost")
        pki = running.pki
        result = subprocess.run(
            ["node", str(node_mqtt.BUILT / "thing_shadow.mjs"), address, str(pki.ca_cert),
             str(pki.server_cert), str(pki.server_key), "lamp-1"],
            capture_output=True, text=True, timeout=120)
        sys.stdout.write(result.stdout)
        harness.check_equal((result.returncode, result.stderr), (0, ""), "thing_shadow.mjs")
