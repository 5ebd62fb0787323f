#!/usr/bin/python3
"""compile.py FOLDER: what the live scripts send, as a seed corpus and as wire cases.

FOLDER/seeds/ gets one file for each connection of each case: the bytes it sends. FOLDER/scripts/
gets one for each case: its steps, for fuzz_session_script. FOLDER/sent.txt gets a wire case for
every packet after which the script expects the server to go on."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import script  # noqa: E402

BYTES_MAX = 4096  # of a seed or a wire case: the tests cut each at every byte
CLIENTS = 4  # of one script
RAW, AWAIT, LISTEN, DROP = range(4)  # steps of tests/fuzz/gateway/session_script_fuzz.cc


def main():
    folder = Path(sys.argv[1])
    seeds = folder / "seeds"
    scripts = folder / "scripts"
    seeds.mkdir(parents=True, exist_ok=True)
    scripts.mkdir(exist_ok=True)
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
            steps = script_of(case, version)
            if len(steps) <= BYTES_MAX:
                (scripts / f"{number:03}-{version}").write_bytes(steps)
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


def script_of(case, version):
    """The case as a script: what is sent, the waits for what is due, the connections dropped."""
    out = bytearray(1)
    clients = {}
    data_of = {step.line: data for step, data, _ in sent(case, version)}
    for step in case.steps(version):
        client = clients.setdefault(step.connection, len(clients)) % CLIENTS << 6
        if step.verb == ">":
            data = data_of[step.line]
            for at in range(0, len(data), 255):
                piece = data[at:at + 255]
                out += bytes((client | RAW, len(piece))) + piece
        elif step.verb == "drop":
            out += bytes((client | DROP,))
        elif step.what == "PUBLISH":
            out += bytes((client | LISTEN,))
        elif step.verb[0] == "<" and out[-1] != client | AWAIT:
            out += bytes((client | AWAIT,))
    return bytes(out)


def stand_in(value):
    """What `~` and `$i` stand for before anything has been played."""
    return "1" if len(value) == 2 and value[0] == "$" else value.replace("~", "c0000")


if __name__ == "__main__":
    main()
