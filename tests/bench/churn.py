"""Churn: clients connect, subscribe, publish and end, in all ways there are, again and again; resident
memory of the gateway and what Redis holds must stay as they are. HOMEPORT_BENCH_CHURN_SECONDS says how
long (120 when not said, after a warm-up of a third)."""

import os

import support
from homestack.redis import RedisClient

CLIENTS = 2000
# Devices on their own topics; then any clients, half of them with sessions in Redis.
CASES = {"devices": ("bench", {}),
         "any clients": ("conformance", {"filter": "churn-{id}/#", "topic": "churn-{id}/x"})}
DEVICES, CONNECTS_AN_HOUR = 10_000, 1  # of the home fleet that the cycles stand for


def run(bench):
    seconds = int(os.environ.get("HOMEPORT_BENCH_CHURN_SECONDS", 120))
    for case, (profile, settings) in CASES.items():
        with support.stack(bench.bin, profile=profile,
                           settings={"source-connects-per-second": 0}) as stack:
            churn(bench, stack, profile, settings, seconds / 3)
            before = held(stack)
            result = churn(bench, stack, profile, settings, seconds)
            after = held(stack)
        hours = result["cycles"] / (DEVICES * CONNECTS_AN_HOUR)
        bench.row(case=case, cycles=result["cycles"], failures=result["failures"],
                  refused=result["refused"], hours_of_10000=hours,
                  cycles_per_s=result["cycles_per_s"],
                  **{f"{what}_before": value for what, value in before.items()},
                  **{f"{what}_after": value for what, value in after.items()},
                  bytes_each=(after["resident"] - before["resident"]) / result["cycles"])
        bench.say(f"{case}: {result['cycles']} cycles, {before} before, {after} after")
    bench.table({"clients": ("case", "{}"), "cycles": ("cycles", "{}"),
                 "per s": ("cycles_per_s", "{:.0f}"),
                 "hours of 10,000 devices": ("hours_of_10000", "{:.0f}"),
                 "resident before": ("resident_before", "{}"), "after": ("resident_after", "{}"),
                 "bytes a cycle": ("bytes_each", "{:.2f}"), "failures": ("failures", "{}"),
                 "Redis keys before": ("keys_before", "{}"), "after ": ("keys_after", "{}")})


def churn(bench, stack, profile, settings, seconds):
    return support.generate(bench.bin, "churn", stack.gateways[0].listen["mqtt"], [],
                            stack if profile == "bench" else None, connections=CLIENTS,
                            connect_window=32, seconds=seconds, **settings)


def held(stack):
    with open(f"/proc/{stack.pid('gateway-0')}/statm") as file:
        pages = int(file.read().split()[1])
    with RedisClient(stack.redis.socket) as redis:
        keys = redis.call("DBSIZE")
    return {"resident": pages * os.sysconf("SC_PAGE_SIZE"), "keys": keys}
