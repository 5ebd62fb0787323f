"""Gateway, registry, Redis and PostgreSQL are killed (-9) and restarted in turn under load."""

import ledger


def run(arguments):
    ledger.run(arguments, ledger.Plan(seconds_stopped=0, between=5.0 if arguments.full else 2.0))
