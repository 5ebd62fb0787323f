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
        # Both versions want a certificate; in this profile any will do.
        for script, thing in (("thing_shadow.mjs", "lamp-1"), ("shadow_v2.mjs", "lamp-2")):
            result = subprocess.run(
                ["node", str(node_mqtt.BUILT / script), address, str(pki.ca_cert),
                 str(pki.server_cert), str(pki.server_key), thing],
                capture_output=True, text=True, timeout=120)
            sys.stdout.write(result.stdout)
            harness.check_equal((result.returncode, result.stderr), (0, ""), script)
