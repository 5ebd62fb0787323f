"""The live scripts of tests/conformance/live against two gateways of profile conformance."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import harness

sys.path.insert(0, str(harness.REPOSITORY / "tests" / "conformance" / "runner"))

import play  # noqa: E402
import script  # noqa: E402

AT_ONCE = 12  # cases that play together; those marked `alone` play one by one


def run(context):
    only = os.environ.get("HOMEPORT_CONFORMANCE_ONLY", "")
    turns = [(case, version) for case in script.load() for version in case.versions
             if only in f"{case.file}: {case.name}"]
    # The profile lifts these limits, which some scripts are to meet.
    limits = {"topic-bytes-max": 256, "topic-levels-max": 16, "client-id-bytes-max": 128,
              "user-properties-max": 32, "keep-alive-s-min": 5, "inflight-max": 100}
    with harness.stack(context.bin, profile="conformance", gateway_settings=limits) as running:
        addresses = [gateway.listen["mqtt"] for gateway in running.gateways]
        numbered = list(enumerate(turns))
        # First, while there are no retained messages of others.
        results = [outcome(addresses, turn) for turn in numbered if turn[1][0].alone]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            results += pool.map(lambda turn: outcome(addresses, turn),
                                [turn for turn in numbered if not turn[1][0].alone])
    report(results)


def outcome(addresses, turn):
    """(case, what went wrong)"""
    number, (case, version) = turn
    try:
        play.Player(addresses, case, version, f"c{number:04}").play()
    except play.Mismatch as mismatch:
        return case, f"{case.name}: {mismatch}"
    return case, ""


def report(results):
    wrong = [problem for case, problem in results if problem and not case.not_yet]
    for case, problem in results:
        if case.not_yet:
            print(f"not yet ({case.not_yet}): " + (problem or f"{case.name} passes: turn it on"))
    later = sum(1 for case, problem in results if case.not_yet and problem)
    print(f"{len(results)} plays, {len(wrong)} wrong, {later} not yet")
    harness.check(not wrong, "\n  ".join(["", *wrong]))
