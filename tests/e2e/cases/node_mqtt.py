"""MQTT.js and the AWS IoT device SDKs for JavaScript, versions 1 and 2, as plain MQTT clients."""

import shutil
import subprocess
import sys
from pathlib import Path

import harness
from harness import check, check_equal

FOLDER = Path(__file__).resolve().parents[1] / "node_mqtt"
BUILT = harness.REPOSITORY / "build" / "test" / "node_mqtt"
SCRIPTS = ("mqtt_js.mjs", "aws_v1.mjs", "aws_v2.mjs", "thing_shadow.mjs",
           "shadow_v2.mjs")


def run(arguments):
    if not shutil.which("npm"):
        raise harness.Skipped("npm is not installed")
    install()
    with harness.stack(arguments.bin, profile="conformance") as running:
        listen = {kind: address.replace("127.0.0.1", "localhost")
                  for kind, address in running.gateways[0].listen.items()}
        pki = running.pki
        urls = [f"{kind}://{listen[kind]}" + ("/mqtt" if kind in ("ws", "wss") else "")
                for kind in ("mqtt", "mqtts", "ws", "wss")]
        play("mqtt_js.mjs", [str(pki.ca_cert), *urls],
             [f"{kind} version {version}" for kind in ("mqtt", "mqtts", "ws", "wss")
              for version in (3, 4, 5)])
        address = [*listen["mqtts"].rsplit(":", 1), str(pki.ca_cert)]
        # This one insists on having a certificate, which profile conformance does not ask for.
        play("aws_v1.mjs", [*address, str(pki.server_cert), str(pki.server_key)], ["aws v1"])
        play("aws_v2.mjs", address, ["aws v2, version 3.1.1", "aws v2, version 5"])


def play(script, arguments, lines):
    result = subprocess.run(["node", str(BUILT / script), *arguments], capture_output=True,
                            text=True, timeout=120)
    sys.stdout.write(result.stdout)
    check_equal((result.returncode, result.stdout.splitlines()), (0, lines),
                f"{script}: {result.stderr}")


def install():
    """npm packages go below build/, exactly those of the lock file; once for each lock file."""
    BUILT.mkdir(parents=True, exist_ok=True)
    for name in SCRIPTS:
        shutil.copy(FOLDER / name, BUILT)
    lock = (FOLDER / "package-lock.json").read_text()
    done = BUILT / "installed.json"
    if done.exists() and done.read_text() == lock:
        return
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(FOLDER / name, BUILT)
    result = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=BUILT,
                            capture_output=True, text=True, timeout=400)
    check(result.returncode == 0, f"npm ci failed: {result.stdout}{result.stderr}")
    done.write_text(lock)
