"""Live scripts: what tests/conformance/live/*.txt say, as steps. The README there has the grammar."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

import packets

FOLDER = Path(__file__).resolve().parents[1] / "live"
VERSIONS = ("3.1.1", "5")
_VERB = re.compile(r"^(\w+) (<\*|[<>]|drop|open)(?: (.*))?$")


class BadScript(Exception):
    pass


@dataclass
class Step:
    line: int
    text: str
    connection: str
    verb: str  # ">", "<", "<*", "drop", "open" or "pass"
    what: str  # a packet's name, "hex", "close", "refused", "nothing", or seconds
    keys: dict = field(default_factory=dict)  # key: list of values


@dataclass
class Case:
    file: str
    name: str
    line: int
    statements: list = field(default_factory=list)  # (version, number)
    versions: tuple = VERSIONS
    alone: bool = False
    not_yet: str = ""
    lines: list = field(default_factory=list)

    def steps(self, version):
        """The steps of one version."""
        found = []
        for number, text in self.lines:
            only, bar, rest = text.partition("| ")
            if bar and only.strip() in VERSIONS:
                if only.strip() != version:
                    continue
                text = rest
            found.append(_step(self.file, number, text))
        return found


def load():
    cases = []
    for path in sorted(FOLDER.glob("*.txt")):
        cases += _load_file(path)
    names = [(case.file, case.name) for case in cases]
    doubles = {name for name in names if names.count(name) > 1}
    if doubles:
        raise BadScript(f"names used twice: {sorted(doubles)}")
    return cases


def _load_file(path):
    cases = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.split("  #")[0].strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("== "):
            cases.append(Case(path.stem, text[3:], number))
        elif not cases:
            raise BadScript(f"{path.name}:{number}: no case yet")
        else:
            _add_line(cases[-1], number, text)
    return cases


def _add_line(case, number, text):
    key, colon, value = text.partition(": ")
    if not case.lines and colon and key in VERSIONS:
        case.statements += [(key, statement) for statement in value.split()]
    elif not case.lines and colon and key == "versions":
        case.versions = tuple(value.split())
    elif not case.lines and colon and key == "not yet":
        case.not_yet = value
    elif not case.lines and text == "alone":
        case.alone = True
    else:
        case.lines.append((number, text))


def _step(file, number, text):
    if text.startswith("pass "):
        return Step(number, text, "", "pass", text[5:])
    match = _VERB.match(text)
    if not match:
        raise BadScript(f"{file}:{number}: {text!r} is no step")
    connection, verb, rest = match.groups()
    if rest is None:
        return Step(number, text, connection, verb, "")
    if rest.startswith("hex "):
        return Step(number, text, connection, verb, "hex", {"bytes": [rest[4:]]})
    words = shlex.split(rest)
    keys = {}
    what = words.pop(0) if verb != "open" else ""
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise BadScript(f"{file}:{number}: {word!r} is not key=value")
        keys.setdefault(key, []).append(value)
    return Step(number, text, connection, verb, what, keys)


def encode(step, version, substitute):
    """The bytes of a `>` step; `substitute` fills in what a value refers to."""
    if step.what == "hex":
        return bytes.fromhex(substitute(step.keys["bytes"][0]).replace(" ", ""))
    keys = {key: [substitute(value) for value in values] for key, values in step.keys.items()}
    return packets.encode(step.what, keys, version)
