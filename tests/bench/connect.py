"""CONNECTs per second, accepted and ended again: Homeport with fleet-key authentication and a claim in
Redis for each, beside mosquitto without authentication. Plain, by full handshakes of TLS 1.3, and
resumed by a ticket where the server takes it (resumed is the share in which it did). The gateway has
one reactor, as mosquitto has one thread; all else, the load too, shares the machine with them."""

import support

SECONDS = 6
TURNS = 3
CONCURRENCY = 512
SERVER = ("gateway-0", "redis", "mosquitto")  # what a client waits for
KINDS = {"plain": {}, "tls": {"tls": "true"}, "tls resumed": {"tls": "true", "resume": "true"}}


def run(bench):
    with support.stack(bench.bin, settings={"source-connects-per-second": 0, "reactors": 1}) as stack:
        for kind, settings in KINDS.items():
            with support.Mosquitto(stack.state.address(f"mosquitto-{kind.replace(' ', '-')}"),
                                   stack.pki if settings else None) as peer:
                gateway = stack.gateways[0].listen["mqtts" if settings else "mqtt"]
                parts = {name: stack.pid(name)
                         for name in ("gateway-0", "redis", "registry", "postgres")}
                subjects = {"homeport": (gateway, parts, stack),
                            "mosquitto": (peer.address, {"mosquitto": peer.pid}, None)}
                results = {name: [] for name in subjects}
                for turn in range(TURNS):
                    for name, subject in subjects.items():
                        result = visit(bench, kind, stack, *subject)
                        results[name].append(result)
                        bench.say(f"turn {turn + 1}: {name} {kind} "
                                  f"{result['accepted_per_s']:.0f}/s")
                for name, rows in results.items():
                    bench.row(subject=name, kind=kind, turns=TURNS, **{
                        field: support.median(rows, field) for field in (
                            "accepted_per_s", "server_cpu_us_per_connect", "connack_p50_us",
                            "connack_p99_us", "failures", "resumed_share")},
                        cpu_us={part: support.median([row["cpu_us"] for row in rows], part)
                                for part in rows[0]["cpu_us"]})
    bench.table({"server": ("subject", "{}"), "transport": ("kind", "{}"),
                 "CONNECTs/s": ("accepted_per_s", "{:.0f}"),
                 "server CPU us each": ("server_cpu_us_per_connect", "{:.1f}"),
                 "p50 us": ("connack_p50_us", "{:.0f}"), "p99 us": ("connack_p99_us", "{:.0f}"),
                 "resumed": ("resumed_share", "{:.2f}")})
    for row in bench.rows:
        print(f"  CPU us each, {row['subject']} {row['kind']}: "
              + ", ".join(f"{part} {us:.0f}" for part, us in row["cpu_us"].items()))
    for homeport, mosquitto in zip(bench.rows[::2], bench.rows[1::2]):
        print(f"  {homeport['kind']}: "
              f"{homeport['accepted_per_s'] / mosquitto['accepted_per_s']:.2f} x mosquitto's rate "
              f"(target >= 1), CPU {homeport['server_cpu_us_per_connect'] / mosquitto['server_cpu_us_per_connect']:.2f} x")


def visit(bench, kind, stack, target, parts, credentials):
    settings = {"connections": 19000, "connect_window": CONCURRENCY, "seconds": SECONDS}
    if KINDS[kind]:
        settings |= KINDS[kind] | {"ca": stack.pki.ca_cert}
        target = target.replace("127.0.0.1", "localhost")
    server = [parts[part] for part in SERVER if part in parts]
    before = cpu_seconds(parts)
    result = support.generate(bench.bin, "connect", target, server, credentials, **settings)
    accepted = max(1, result["accepted"])
    cpu_us = {part: (seconds - before[part]) / accepted * 1e6
              for part, seconds in cpu_seconds(parts).items()}
    return result | {"resumed_share": result["resumed"] / accepted,
                     "cpu_us": cpu_us | {"load": result["own_cpu_us_per_connect"]}}


def cpu_seconds(parts):
    return {part: support.family_cpu_seconds(pid) for part, pid in parts.items()}
