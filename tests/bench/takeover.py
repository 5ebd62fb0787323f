"""A take-over storm: clients with persistent sessions on one gateway all move to another, each while its
former connection is still there and messages of QoS 1 come for it. None may be lost; what comes again
is counted: marked as such; or unmarked, because the former gateway had sent it during the move (over both)
or before it (unmarked); or late, over the former connection, whose gateway had not heard of the move."""

import json

import support

CLIENTS = 19_000
RATE = 5000  # messages a second
WINDOWS = (64, 800)  # moves under way
SOURCES = ",".join(f"127.0.0.{2 + i}" for i in range(4))


def run(bench):
    settings = {"source-connects-per-second": 0, "reactors": 1}
    for window in WINDOWS:
        with support.stack(bench.bin, gateways=2, profile="conformance",
                           settings=settings) as stack:
            pids = [stack.pid(name) for name in ("gateway-0", "gateway-1", "redis")]
            targets = ",".join(gateway.listen["mqtt"] for gateway in stack.gateways)
            row = support.generate(bench.bin, "takeover", targets, pids, connections=CLIENTS,
                                   connect_window=window, rate=RATE, drain=120,
                                   sources=SOURCES)
        row.pop("bench")
        row.update({f"connack_{q}_ms": row[f"connack_{q}_us"] / 1000 for q in ("p50", "p99")})
        bench.row(**row)
        bench.say(json.dumps(row))
    bench.table({"clients": ("clients", "{}"), "moves under way": ("connect_window", "{}"),
                 "moved in s": ("move_s", "{:.1f}"), "moves/s": ("moves_per_s", "{:.0f}"),
                 "CONNECT p50 ms": ("connack_p50_ms", "{:.1f}"),
                 "p99 ms": ("connack_p99_ms", "{:.1f}"), "messages": ("published", "{}"),
                 "lost": ("lost", "{}"), "came again, marked": ("came_again_marked", "{}"),
                 "over both": ("came_again_crossed", "{}"),
                 "late": ("came_again_late", "{}"),
                 "unmarked": ("came_again_unmarked", "{}")})
