"""deploy/backup/rehearse.py: a base backup and the archived WAL bring a server back to a moment."""

import subprocess
import sys

import harness
from harness import check_equal


def run(arguments):
    result = subprocess.run(
        [sys.executable, str(harness.REPOSITORY / "deploy" / "backup" / "rehearse.py"),
         "--registry", str(arguments.bin / "homeport-registry")],
        capture_output=True, text=True, timeout=150)
    print(result.stdout)
    check_equal(result.returncode, 0, f"the rehearsal: {result.stderr}")
