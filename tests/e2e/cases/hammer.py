"""Random and mutated byte streams at one gateway: it lives, its memory stays, its log keeps to its
rate, everything is counted, and a client that behaves is served meanwhile. The seed is printed and
taken from HOMEPORT_HAMMER_SEED where that is set."""

import os
import random
import socket
import sys
import threading
import time

from homestack import metrics

import harness
import mqtt
from harness import check, check_equal, eventually

sys.path.insert(0, str(harness.REPOSITORY / "tests" / "conformance" / "runner"))

import compile as compiled  # noqa: E402
import script  # noqa: E402

THREADS = 8
WARM_UP, ROUNDS, ROUNDS_FULL = 4000, 20_000, 400_000  # connections
GROWTH_BYTES_MAX = 24 << 20  # of resident memory, after the warm-up
LOG_LINES_PER_SECOND_MAX = 200  # ten of each kind
BYTES_MAX = 64 << 10  # of one stream


def run(context):
    seed = int(os.environ.get("HOMEPORT_HAMMER_SEED", random.randrange(1 << 32)))
    rounds = ROUNDS_FULL if context.full else ROUNDS
    print(f"HOMEPORT_HAMMER_SEED={seed}")
    streams = list(seeds())
    with harness.stack(context.bin, gateways=1, profile="conformance") as running:
        gateway = running.gateways[0]
        pid = running.pid("gateway-0")
        bystander = Bystander(gateway.listen["mqtt"])
        hammer(gateway.listen["mqtt"], streams, seed, WARM_UP)
        silent(gateway.listen["mqtt"])
        resident, lines, begun = memory(pid), log_lines(running), time.monotonic()
        counted = metrics.scrape(gateway.metrics).total("homeport_gateway_refusals_total")
        hammer(gateway.listen["mqtt"], streams, seed + 1, rounds)
        seconds = time.monotonic() - begun
        eventually(lambda: metrics.scrape(gateway.metrics).total("homeport_gateway_sessions") <= 1,
                   "only the bystander is there", 30)
        slowest = bystander.stop()
        check_equal((running.pid("gateway-0"), running.dead()), (pid, []), "the gateway")
        growth = memory(pid) - resident
        written = (log_lines(running) - lines) / seconds
        refusals = metrics.scrape(gateway.metrics).total("homeport_gateway_refusals_total") - counted
    print(f"{rounds} streams in {seconds:.0f} s: memory {resident >> 10} KiB and {growth >> 10} KiB "
          f"more, {written:.0f} log lines a second, {refusals:.0f} refusals, the slowest round of "
          f"the bystander {slowest * 1000:.0f} ms")
    check(growth < GROWTH_BYTES_MAX, f"memory grew by {growth} bytes")
    check(written < LOG_LINES_PER_SECOND_MAX, f"{written:.0f} log lines a second")
    check(refusals > rounds / 10, f"{refusals:.0f} refusals of {rounds} streams")


class Bystander:
    """Publishes to itself all the time."""

    def __init__(self, address):
        self._client = mqtt.Client(address, 5)
        self._client.connect("bystander")
        check_equal(self._client.subscribe("bystander/x"), [1], "SUBACK of the bystander")
        self._slowest, self._rounds, self._wrong = 0.0, 0, ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            while not self._stopping.wait(0.05):
                begun = time.monotonic()
                self._client.publish("bystander/x", f"{self._rounds}")
                topic, payload = self._client.message()
                check_equal((topic, payload), ("bystander/x", f"{self._rounds}".encode()), "echo")
                self._rounds += 1
                self._slowest = max(self._slowest, time.monotonic() - begun)
        except Exception as problem:
            self._wrong = repr(problem)

    def stop(self):
        self._stopping.set()
        self._thread.join(20)
        check(not self._wrong and self._rounds > 20,
              f"the bystander after {self._rounds} rounds: {self._wrong}")
        return self._slowest


def seeds():
    """What one connection of a live script sends. None of them waits for another."""
    for case in script.load():
        for version in case.versions:
            streams = {}
            for step, data, _ in compiled.sent(case, version):
                streams[step.connection] = streams.get(step.connection, b"") + data
            yield from (data for data in streams.values() if len(data) < BYTES_MAX)


def hammer(address, streams, seed, rounds):
    stuck = []
    threads = [threading.Thread(target=strike, args=(address, streams, seed * THREADS + number,
                                                     rounds // THREADS, stuck))
               for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_equal(stuck, [], "streams that the gateway neither read nor ended in time")


def strike(address, streams, seed, rounds, stuck):
    host, port = address.rsplit(":", 1)
    chance = random.Random(seed)
    for _ in range(rounds):
        data = stream(chance, streams)
        try:
            with socket.create_connection((host, int(port)), 20) as connection:
                for piece in pieces(chance, data):
                    connection.sendall(piece)
                if chance.random() < 0.5:
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass
        except TimeoutError:
            stuck.append(data[:1000].hex())
        except OSError:
            pass  # it closed, as it may


def stream(chance, streams):
    kind = chance.random()
    if kind < 0.1:
        return chance.randbytes(chance.randrange(1, 2000))
    data = bytearray(chance.choice(streams))
    if kind < 0.3:
        data += chance.choice(streams)
    for _ in range(chance.choice((0, 1, 1, 2, 5, 20))):
        mutate(chance, data)
    return bytes(data[:BYTES_MAX])


def mutate(chance, data):
    if not data:
        return
    at = chance.randrange(len(data))
    kind = chance.randrange(6)
    if kind == 0:
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 1:
        data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    elif kind == 2:
        del data[at:at + chance.choice((1, 2, 4, 100))]
    elif kind == 3:
        data[at:at] = chance.randbytes(chance.choice((1, 2, 4, 100)))
    elif kind == 4:
        data[at:at] = data[at:at + chance.randrange(1, 50)] * chance.choice((1, 2, 20))
    else:
        del data[at:]


def pieces(chance, data):
    """All at once, in halves, or in small pieces."""
    size = chance.choice((len(data), len(data), len(data) // 2, 7)) or 1
    if len(data) // size > 50:
        size = len(data) // 50
    return (data[at:at + size] for at in range(0, len(data), size))


def silent(address):
    """Connections that say half of something, or nothing, end at the connect deadline."""
    host, port = address.rsplit(":", 1)
    open_ones = []
    for number in range(50):
        connection = socket.create_connection((host, int(port)), 10)
        connection.settimeout(20)
        connection.sendall(b"\x10\x0e\x00\x04MQ"[:number % 7])
        open_ones.append(connection)
    for connection in open_ones:
        check_equal(connection.recv(10), b"", "a silent connection")
        connection.close()


def memory(pid):
    """Resident bytes."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))


def log_lines(running):
    return len(running.log("gateway-0").read_bytes().splitlines())
