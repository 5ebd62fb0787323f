"""Gateway, registry, Redis and PostgreSQL are stopped (SIGSTOP) in turn under load: for 20 seconds,
longer than any lease, with --full; else for 3."""

import ledger


def run(arguments):
    ledger.run(arguments, ledger.Plan(seconds_stopped=20 if arguments.full else 3))
