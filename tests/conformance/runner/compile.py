#!/usr/bin/python3
"""compile.py FOLDER: what the live scripts send, as a seed corpus and as wire cases.

FOLDER/seeds/ gets one file for each connection of each case: the bytes it sends. FOLDER/sent.txt
gets a wire case for every packet after which the script expects the server to go on."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import script  # noqa: E402

BYTES_MAX = 4096  # of a seed or a wire case: the tests cut each at every byte


def main():
    folder = Path(sys.argv[1])
    seeds = folder / "seeds"
    seeds.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, case in enumerate(script.load()):
        for version in case.versions:
            streams = {}
            for step, data, good in sent(case, version):
                streams[step.connection] = streams.get(step.connection, b"") + data
                if good and len(data) <= BYTES_MAX:
                    lines.append(f"{case.file} {case.name}, line {step.line} | - | {version} | "
                                 f"{data.hex().upper()} | ok {step.what}")
            for connection, data in streams.items():
                if len(data) > BYTES_MAX:
                    continue
                name = f"{number:03}-{connection}-{version}"
                (seeds / name).write_bytes(data)
    (folder / "sent.txt").write_text("\n".join(lines) + "\n")


def sent(case, version):
    """(step, bytes, whether the server goes on with the connection) of each packet sent."""
    steps = case.steps(version)
    for index, step in enumerate(steps):
        if step.verb != ">":
            continue
        own = step.keys.get("version", [version])[0]
        step.keys = {key: values for key, values in step.keys.items() if key != "version"}
        data = script.encode(step, own, stand_in)
        answer = next((s for s in steps[index + 1:]
                       if s.connection == step.connection and s.verb[0] == "<"), None)
        good = (step.what != "hex" and own == version and answer is not None and
                answer.what not in ("close", "refused", "DISCONNECT") and
                not (answer.what == "CONNACK" and answer.keys.get("reason", ["00"]) != ["00"]))
        yield step, data, good


def stand_in(value):
    """What `~` and `$i` stand for before anything has been played."""
    return "1" if len(value) == 2 and value[0] == "$" else value.replace("~", "c0000")


if __name__ == "__main__":
    main()
