#!/usr/bin/python3
"""Runs one end-to-end case: run.py [--bin FOLDER] CASE."""

import argparse
import contextlib
import ctypes
import importlib
import os
import signal
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import harness  # noqa: E402
from homestack.process import family  # noqa: E402
from homestack.state import StackError  # noqa: E402


PR_SET_CHILD_SUBREAPER = 36


def end_what_is_left():
    """Processes that the case has started, also by others of them that have ended meanwhile."""
    for pid in family(os.getpid())[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def main():
    cases = sorted(p.stem for p in Path(__file__).with_name("cases").glob("[a-z]*.py"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path,
                        default=harness.REPOSITORY / "build" / "release" / "bin")
    parser.add_argument("--full", action="store_true",
                        default=os.environ.get("HOMEPORT_TEST_FULL") == "1",
                        help="the long form of the fault cases")
    parser.add_argument("case", choices=cases)
    arguments = parser.parse_args()
    begun = time.monotonic()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        importlib.import_module(f"cases.{arguments.case}").run(arguments)
    except harness.Skipped as reason:
        print(f"SKIPPED {arguments.case}: {reason}")
        return harness.SKIP
    except (harness.Failed, StackError) as error:
        print(f"FAILED {arguments.case}: {error}")
        return 1
    finally:
        end_what_is_left()
    print(f"passed {arguments.case} in {time.monotonic() - begun:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
