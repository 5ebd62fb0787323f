#!/usr/bin/python3
"""table.py [--write]: which case shows which normative statement.

Fails when a server's statement has neither a case nor a note, when a case names a statement that is
none, or when docs/CONFORMANCE.md is not what --write would make of it."""

import re
import sys
from collections import defaultdict
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import script  # noqa: E402

CASES = Path(__file__).resolve().parents[1]
REPOSITORY = CASES.parents[1]
DOCUMENT = REPOSITORY / "docs" / "CONFORMANCE.md"
SHOWN = 4  # cases named in a row of the document; of more, how many


def statements():
    """[(version, number, whose, subject, note)]"""
    rows = []
    for line in (CASES / "statements.table").read_text().splitlines():
        if line and not line.startswith("#"):
            row = tuple(part.strip() for part in line.split("|"))
            rows.append(row)
    return rows


def evidence():
    """{(version, number): [file: case]}, live scripts first."""
    found = defaultdict(list)
    for case in script.load():
        for statement in case.statements:
            found[statement].append(f"live/{case.file}: {case.name}")
    for path in sorted(CASES.glob("*.txt")):
        for line in path.read_text().splitlines():
            fields = [part.strip() for part in line.split("|")]
            if len(fields) != 5 or line.startswith("#"):
                continue
            version = fields[2].split("/")[0]
            # A case for both versions has the numbers of MQTT 5.
            found["5" if version == "both" else version, fields[1]].append(
                f"{path.stem}: {fields[0]}")
    return {key: list(dict.fromkeys(cases)) for key, cases in found.items()}


def problems(rows, found):
    known = {row[:2] for row in rows}
    for version, number, whose, _, note in rows:
        if whose == "server" and not note and not found.get((version, number)):
            yield f"{version} {number}: no case and no reason"
        by = re.match(r"by (\S+)$", note)
        if by and not (REPOSITORY / by[1]).exists():
            yield f"{version} {number}: {by[1]} is not there"
    for key in found:
        if key[1].startswith("MQTT-") and key not in known:
            yield f"{key[0]} {key[1]} is no statement, but has cases: {found[key]}"


def document(rows, found):
    lines = ["# Conformance", "",
             "Which case shows which normative statement of MQTT 3.1.1 and MQTT 5. Made by",
             "`tests/conformance/runner/table.py --write` from `tests/conformance`, whose README describes",
             "the cases; a test keeps the two together.", "",
             "The wire cases run against the decoder, the live scripts against two gateways. A session",
             "machine apart from the gateway does not exist: its rules live in the flows of",
             "`services/gateway`, and a third way to run the scripts would test a copy of them.", ""]
    for version in script.VERSIONS:
        own = [row for row in rows if row[0] == version]
        servers = [row for row in own if row[2] == "server"]
        shown = sum(1 for row in servers if found.get(row[:2]))
        lines += [f"## MQTT {version}", "",
                  f"{len(own)} statements, {len(servers)} of them a server's; {shown} of those have cases, "
                  f"the others a reason.", "",
                  "| statement | subject | shown by |", "|---|---|---|"]
        for _, number, whose, subject, note in own:
            lines.append(f"| {number} | {subject} | {_shown(whose, note, found.get((version, number)))} |")
        lines.append("")
    return "\n".join(lines)


def _shown(whose, note, cases):
    words = list(cases or [])[:SHOWN]
    if cases and len(cases) > SHOWN:
        words.append(f"{len(cases) - SHOWN} more")
    if note:
        words.append(f"`{note[3:]}`" if note.startswith("by ") else note)
    if whose == "client":
        words.insert(0, "*the client's*")
    return "; ".join(words).replace("|", "\\|")


def main():
    rows, found = statements(), evidence()
    wrong = list(problems(rows, found))
    text = document(rows, found)
    if "--write" in sys.argv:
        DOCUMENT.write_text(text)
    elif not DOCUMENT.exists() or DOCUMENT.read_text() != text:
        wrong.append("docs/CONFORMANCE.md is out of date: table.py --write")
    print("\n".join(wrong) or f"{len(rows)} statements")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
