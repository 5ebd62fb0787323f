"""QoS 1 reports acknowledged per second: Homeport after the durable append to a Redis stream,
beside mosquitto from memory. Same load generator, same run, turn by turn; medians of the turns."""

import os
import signal

import support

CONNECTIONS = 500
WINDOW = 10
SECONDS = 5
TURNS = 3


def run(bench):
    with support.stack(bench.bin) as stack, \
            support.Mosquitto(stack.state.address("mosquitto")) as peer:
        subjects = {"homeport": Homeport(bench, stack), "mosquitto": Peer(bench, peer)}
        full = {name: [] for name in subjects}
        for turn in range(TURNS):
            for name, subject in subjects.items():
                result = subject.measure(rate=0)
                full[name].append(result)
                bench.say(f"turn {turn + 1}: {name} {result['acked_per_s']:.0f}/s")
        half = min(support.median(rows, "acked_per_s") for rows in full.values()) / 2
        for name, subject in subjects.items():
            row(bench, name, "as fast as it goes", full[name])
        for name, subject in subjects.items():
            row(bench, name, "half load", [subject.measure(rate=half)])
        row(bench, "homeport", "with the registry at work", [subjects["homeport"].at_work()])
        report(bench)


class Homeport:
    """Gateway and Redis. The registry stands still while they are measured, since what it does with
    a report has no counterpart in the peer; at_work() measures with it running."""

    def __init__(self, bench, stack):
        self._bench = bench
        self._stack = stack
        self._pids = [stack.pid("gateway-0"), stack.pid("redis")]
        self.at_work(seconds=1)  # the gateway caches what the registry knows of the product

    def measure(self, rate):
        registry = self._stack.pid("registry")
        os.kill(registry, signal.SIGSTOP)
        try:
            return self._publish(rate, SECONDS)
        finally:
            os.kill(registry, signal.SIGCONT)
            support.drained(self._stack)

    def at_work(self, seconds=SECONDS):
        result = self._publish(0, seconds)
        support.drained(self._stack)
        return result

    def _publish(self, rate, seconds):
        return publish(self._bench, self._stack.gateways[0].listen["mqtt"], self._pids, rate,
                       seconds, self._stack)


class Peer:
    def __init__(self, bench, mosquitto):
        self._bench = bench
        self._mosquitto = mosquitto

    def measure(self, rate):
        return publish(self._bench, self._mosquitto.address, [self._mosquitto.pid], rate, SECONDS)


def publish(bench, target, pids, rate, seconds, stack=None):
    return support.publish(bench.bin, target, pids, stack, connections=CONNECTIONS, window=WINDOW,
                           seconds=seconds, rate=rate, **{"warm-up": 1})


def row(bench, subject, load, results):
    bench.row(subject=subject, load=load, turns=len(results), connections=CONNECTIONS,
              window=WINDOW, **{field: support.median(results, field) for field in (
                  "acked_per_s", "server_cpu_us_per_ack", "puback_p50_us", "puback_p99_us",
                  "refused")})


def report(bench):
    bench.table({"server": ("subject", "{}"), "load": ("load", "{}"),
                 "acknowledged/s": ("acked_per_s", "{:.0f}"),
                 "server CPU us each": ("server_cpu_us_per_ack", "{:.2f}"),
                 "PUBACK p50 us": ("puback_p50_us", "{:.0f}"),
                 "p99 us": ("puback_p99_us", "{:.0f}")})
    homeport, mosquitto = bench.rows[0], bench.rows[1]
    rate, cpu = (homeport[field] / mosquitto[field]
                 for field in ("acked_per_s", "server_cpu_us_per_ack"))
    print(f"  rate {rate:.2f} x mosquitto's (target >= 1), CPU {cpu:.2f} x (target <= 1)")
