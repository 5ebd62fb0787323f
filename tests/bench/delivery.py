"""What benches of messages between clients share: Homeport through its streams on disk, with Redis's
CPU counted, beside mosquitto from memory."""

import support

TURNS = 3
SECONDS = 5


def compare(bench, cases):
    """`cases`: {name: settings of homeport-bench-mqtt deliver}."""
    with support.stack(bench.bin, profile="conformance",
                       settings={"source-connects-per-second": 0, "reactors": 0}) as stack, \
            support.Mosquitto(stack.state.address("mosquitto")) as peer:
        subjects = {"homeport": (stack.gateways[0].listen["mqtt"],
                                 [stack.pid("gateway-0"), stack.pid("redis")]),
                    "mosquitto": (peer.address, [peer.pid])}
        for case, settings in cases.items():
            results = {name: [] for name in subjects}
            for turn in range(TURNS):
                for name, (target, pids) in subjects.items():
                    result = support.generate(bench.bin, "deliver", target, pids, warm_up=1,
                                              seconds=SECONDS, **settings)
                    results[name].append(result)
                    bench.say(f"turn {turn + 1}: {name} {case} {result['delivered_per_s']:.0f}/s")
            for name, rows in results.items():
                bench.row(subject=name, case=case, turns=TURNS, **settings, **{
                    field: support.median(rows, field) for field in (
                        "delivered_per_s", "server_cpu_us_per_delivery", "delivery_p50_us",
                        "delivery_p99_us")})
    bench.table({"server": ("subject", "{}"), "load": ("case", "{}"),
                 "delivered/s": ("delivered_per_s", "{:.0f}"),
                 "server CPU us each": ("server_cpu_us_per_delivery", "{:.2f}"),
                 "p50 us": ("delivery_p50_us", "{:.0f}"), "p99 us": ("delivery_p99_us", "{:.0f}")})
    for homeport, mosquitto in zip(bench.rows[::2], bench.rows[1::2]):
        rate, cpu = (homeport[field] / mosquitto[field]
                     for field in ("delivered_per_s", "server_cpu_us_per_delivery"))
        print(f"  {homeport['case']}: rate {rate:.2f} x mosquitto's (target >= 1.3), "
              f"CPU {cpu:.2f} x (target <= 0.7)")
