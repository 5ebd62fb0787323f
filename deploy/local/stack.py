#!/usr/bin/python3
"""Starts, shows and stops a whole Homeport on this machine. Called by ./dev up and ./dev down."""

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path

from homestack.process import stop_left_over
from homestack.stack import PROFILES, REPOSITORY, Options, Stack
from homestack.state import State, StackError
from homestack.status import Status
from homestack.verdict import Verdict


def arguments():
    parser = argparse.ArgumentParser(prog="./dev", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("up", "check"):
        up = commands.add_parser(name, prog="./dev up")
        up.add_argument("--devices", type=_count(0, 19000), default=200, metavar="N",
                        help="simulated devices of the profile demo (%(default)s)")
        up.add_argument("--gateways", type=_count(1, 16), default=2, metavar="N",
                        help="gateway pods (%(default)s)")
        up.add_argument("--for", type=_count(1, 10**7), dest="seconds", metavar="SECONDS",
                        help="stop after this time; exit code 0 only if all went well")
        up.add_argument("--state", type=Path, default=REPOSITORY / ".homeport", metavar="DIR",
                        help="where data, logs, keys and the env file are kept (.homeport)")
        up.add_argument("--profile", choices=PROFILES, default="demo")
        up.add_argument("--no-restart", action="store_true", help="leave dead parts dead")
        up.add_argument("--bin", type=Path, default=REPOSITORY / "build" / "release" / "bin",
                        help=argparse.SUPPRESS)
    down = commands.add_parser("down", prog="./dev down")
    down.add_argument("--state", type=Path, default=REPOSITORY / ".homeport", metavar="DIR")
    return parser.parse_args()


def _count(smallest, largest):
    def parse(text):
        if not text.isdigit() or not smallest <= int(text) <= largest:
            raise argparse.ArgumentTypeError(f"{text}: a number from {smallest} to {largest}")
        return int(text)
    return parse


def up(args):
    stopping = threading.Event()
    on_signals(signal.default_int_handler)  # interrupts the start
    options = Options(state=args.state, bin=args.bin, devices=args.devices, gateways=args.gateways,
                      profile=args.profile, restart=not args.no_restart)
    stack = Stack(options, say=_step)
    try:
        stack.start()
        verdict = Verdict(stack)
        if args.profile == "demo" and args.devices > 0:
            _step(f"starting {args.devices} devices")
            stack.start_fleet()
            verdict.start_phone()
        stack.write_env()
        print(f"homeport is up\n    addresses and tokens: {stack.state.path('env')}"
              f"\n    logs: {stack.state.path('log')}", flush=True)
        on_signals(lambda *_: stopping.set())
        _run(stack, verdict, args.seconds, stopping)
        if args.seconds is None:
            return 0
        return verdict.give(interrupted=stopping.is_set())
    finally:
        on_signals(signal.SIG_IGN)  # every part is asked, waited for and then killed: it ends
        stack.stop()


def on_signals(handler):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def _run(stack, verdict, seconds, stopping):
    status = Status(stack, verdict.phone)
    stack.set_say(status.say)
    end = time.monotonic() + seconds if seconds else None
    while not stopping.wait(1.0):
        status.show()
        if end and time.monotonic() >= end:
            return


def down(args):
    state = State(args.state)
    holder = state.holder()
    if holder:
        _step(f"stopping the stack in {state.folder} (process {holder})")
        os.kill(holder, signal.SIGTERM)
        deadline = time.monotonic() + 90
        while state.holder() and time.monotonic() < deadline:
            time.sleep(0.1)
        if state.holder():
            raise StackError(f"process {holder} did not stop within 90 s; its logs are in "
                             f"{state.path('log')}; kill -9 {holder}, then ./dev down again")
    left_over = stop_left_over(state)
    state.remove_env()
    print(f"stopped {', '.join(left_over)}" if left_over else
          "stopped" if holder else f"nothing runs in {state.folder}")
    return 0


def _step(text):
    print(f"==> {text}", flush=True)


def main():
    args = arguments()
    try:
        return {"up": up, "down": down, "check": lambda _: 0}[args.command](args)
    except StackError as error:
        print(f"dev: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
