"""./dev up --for: the demo runs, finds nothing wrong, and can be run again on the same folder."""

import subprocess
import tempfile
from pathlib import Path

import harness
from harness import check, check_equal

TOOL = harness.REPOSITORY / "deploy" / "local" / "stack.py"


def run(arguments):
    folder = Path(tempfile.mkdtemp(prefix="homeport-e2e-"))
    for seconds in (10, 5):
        result = subprocess.run(
            ["/usr/bin/python3", str(TOOL), "up", "--bin", str(arguments.bin),
             "--state", str(folder), "--devices", "40", "--gateways", "2", "--for", str(seconds)],
            capture_output=True, text=True, timeout=180)
        print(result.stdout + result.stderr)
        check_equal(result.returncode, 0, f"exit code; the folder is kept: {folder}")
        check("homeport is up" in result.stdout, "the line 'homeport is up'")
        check("children behind hubs online 8 of 8" in " ".join(result.stdout.split()),
              "the children of both hubs are online")
        check(not (folder / "env").exists(), "the env file is gone after the stop")
    harness.remove_state(folder)
