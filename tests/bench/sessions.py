"""Memory of idle sessions: a device id, fleet-key authentication and five subscriptions to its own
topics each, beside mosquitto holding as many without authentication. Plain, and TLS 1.3."""

import time

import support

SESSIONS = 19000
TARGETS = {"plain": 0.10, "tls": 0.10}


def run(bench):
    for kind in TARGETS:
        # Each on processes of its own, whose heaps nothing has grown before.
        with support.stack(bench.bin, settings={"source-connects-per-second": 0}) as stack:
            gateway = stack.gateways[0].listen["mqtts" if kind == "tls" else "mqtt"]
            homeport = hold(bench, kind, "homeport", gateway, stack.pid("gateway-0"), stack, stack)
            with support.Mosquitto(stack.state.address(f"mosquitto-{kind}"),
                                   stack.pki if kind == "tls" else None) as peer:
                mosquitto = hold(bench, kind, "mosquitto", peer.address, peer.pid, stack, None)
        homeport["ratio"] = homeport["resident_bytes"] / mosquitto["resident_bytes"]
        for row in (homeport, mosquitto):
            bench.row(**row)
    bench.table({"server": ("subject", "{}"), "transport": ("kind", "{}"),
                 "sessions": ("sessions", "{}"), "resident bytes each": ("resident_bytes", "{:.0f}"),
                 "x mosquitto's": ("ratio", "{:.3f}"),
                 "kernel bytes each, both ends": ("kernel_bytes", "{:.0f}"),
                 "CPU us to connect": ("connect_cpu_us", "{:.0f}"), "lost": ("lost", "{}")})
    for row in bench.rows:
        if "ratio" in row:
            print(f"  {row['kind']}: {row['ratio']:.3f} x mosquitto's "
                  f"(target <= {TARGETS[row['kind']]:.2f})")


def hold(bench, kind, subject, target, pid, stack, credentials):
    settings = {"connections": SESSIONS, "seconds": 3, "settle": 8, "keep_alive": 600}
    if kind == "tls":
        settings |= {"tls": "true", "ca": stack.pki.ca_cert}
        target = target.replace("127.0.0.1", "localhost")
    before = peak = support.kernel_bytes()
    with support.Generator(bench.bin, "idle", target, [pid], credentials, **settings) as generator:
        while generator.at_work():
            peak = max(peak, support.kernel_bytes())
            time.sleep(0.5)
        result = generator.result()
    row = {"subject": subject, "kind": kind, "sessions": result["sessions"],
           "resident_bytes": result["rss_bytes_per_session"],
           "kernel_bytes": (peak - before) / result["sessions"],
           "connect_cpu_us": result["ramp_cpu_us_per_session"], "lost": result["lost"],
           "refused_filters": result["refused_filters"]}
    bench.say(f"{subject} {kind}: {row['resident_bytes']:.0f} bytes resident each")
    return row
