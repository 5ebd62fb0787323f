#!/usr/bin/python3
"""Runs benches: run.py [NAME ...]; all of them without a name. A bench is a file in this folder
with a docstring and run(bench)."""

import argparse
import importlib
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import support  # noqa: E402
from homestack.state import StackError  # noqa: E402


def main():
    names = sorted(p.stem for p in Path(__file__).parent.glob("*.py")
                   if p.stem not in ("run", "support", "delivery", "population"))
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("name", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--bin", type=Path,
                        default=support.REPOSITORY / "build" / "release" / "bin")
    arguments = parser.parse_args()
    unknown = set(arguments.name) - set(names)
    if unknown:
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    for name in arguments.name or names:
        module = importlib.import_module(name)
        print(f"==> {name}: {module.__doc__.strip()}", flush=True)
        try:
            module.run(support.Bench(name, arguments.bin))
        except StackError as error:
            print(f"bench {name}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
