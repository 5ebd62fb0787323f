"""A battery of hostile byte streams: each ends as the specification says, the next good client is
served, memory stays flat, and the log tells of no broken assertion."""

import random
import socket
import struct
import time

import harness
import hostile_rows as rows
import mqtt
from harness import check, check_equal, eventually
from websocket import BINARY, CONTINUATION, PING as PING_FRAME, TEXT, frame, upgrade_request

HALF_OPEN = 1500
ABRUPT = 1500
RANDOM_STREAMS = 400
GROWTH_BYTES_MAX = 16 << 20
PING, PONG = b"\xc0\0", b"\xd0\0"


def run(context):
    limits = {"topic-bytes-max": 256, "topic-levels-max": 16, "client-id-bytes-max": 128,
              "user-properties-max": 32}  # the profile has others
    with harness.stack(context.bin, profile="conformance", gateways=1,
                       gateway_settings=limits) as running:
        battery = Battery(running)
        battery.warm_up()
        before = battery.resident()
        for part in (battery.rows, battery.pieces, battery.noise, battery.websocket,
                     battery.other_protocols, battery.abrupt, battery.half_open):
            begun = time.monotonic()
            part()
            battery.serves(part.__name__)
            print(f"{part.__name__}: {time.monotonic() - begun:.1f} s")
        check(not battery.wrong, f"{len(battery.wrong)} wrong:\n  " + "\n  ".join(battery.wrong))
        battery.flat(before)
    print(f"{battery.count} streams")


class Battery:
    def __init__(self, running):
        self.running, self.gateway = running, running.gateways[0]
        self.wrong, self.count = [], 0
        self.watcher = mqtt.Client(self.gateway.listen["mqtt"], 5)
        check(self.watcher.connect("watcher")[1] == 0, "the watcher is let in")
        self.watcher.subscribe("hostile/never", "good/#")

    def note(self, what, found, wanted):
        self.count += 1
        if found not in wanted:
            shown = [f"{w:#x}" if isinstance(w, int) else w for w in (found, *wanted)]
            self.wrong.append(f"{what}: {shown[0]}, wanted {' or '.join(shown[1:])}")

    def connection(self, kind="mqtt"):
        host, port = self.gateway.listen[kind].rsplit(":", 1)
        channel = socket.create_connection((host, int(port)), 20)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return channel

    def serves(self, after):
        """A good client is let in and its message arrives, and nothing that must not."""
        client = mqtt.Client(self.gateway.listen["mqtt"], 4)
        check(client.connect("good")[1] == 0, f"a good client is let in after {after}")
        client.publish("good/topic", after)
        client.disconnect()
        topic, payload = self.watcher.message()[:2]
        check((topic, payload) == ("good/topic", after.encode()),
              f"after {after}: {topic} {payload}")
        check_equal(harness.broken(self.running.state.folder), [], f"the logs after {after}")

    def resident(self):
        with open(f"/proc/{self.running.pid('gateway-0')}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))

    def warm_up(self):
        for row in rows.framing(5):
            self.outcome(row)
        self.half_open()
        self.serves("warm-up")

    def flat(self, before):
        """Sanitizers keep what is freed for a while: there only the log counts."""
        if b"__asan_" in (self.running.bin / "homeport-gateway").read_bytes():
            return
        eventually(lambda: self.resident() - before < GROWTH_BYTES_MAX, "memory is as before")

    # ---- parts ----

    def rows(self):
        for row in rows.all_rows():
            self.note(f"{row.name} (version {row.version})", self.outcome(row), row.ends)

    def outcome(self, row):
        with self.connection() as channel:
            if row.connected:
                channel.sendall(rows.connect(row.version))
                kind, body = packet_of(channel)
                check((kind, body[1]) == (2, 0), f"CONNACK before {row.name}")
            return ending(channel, row.data + PING)

    def pieces(self):
        """What is right is right byte by byte, and in one write; half of it is not minded."""
        for version in (4, 5):
            rest = (rows.subscribe(version, (b"hostile/pieces", 0)) +
                    rows.publish(version, b"hostile/pieces") + PING)
            for step in (1, 2, 3, 7, 1000):
                whole = rows.connect(version, client=b"pieces-%d-%d" % (version, step)) + rest
                with self.connection() as channel:
                    for at in range(0, len(whole), step):
                        channel.sendall(whole[at:at + step])
                    self.note(f"pieces of {step} (version {version})", ending(channel, b""),
                              (rows.ALIVE,))
            for size in range(1, len(whole)):
                with self.connection() as channel:
                    self.note(f"the first {size} bytes (version {version})",
                              end_of(channel, whole[:size]), (rows.CLOSE,))

    def noise(self):
        """Right streams with wrong bytes, and bytes of no sense. The seed makes them the same."""
        dice = random.Random(20)
        good = [rows.connect(v) + rows.subscribe(v, (b"hostile/n", 1)) +
                rows.publish(v, b"hostile/n", 7) + PING for v in (4, 5)]
        for number in range(RANDOM_STREAMS):
            data = bytearray(dice.choice(good) if number % 4 else dice.randbytes(300))
            for _ in range(dice.randint(1, 4) if number % 4 else 0):
                data[dice.randrange(len(data))] = dice.randrange(256)
            with self.connection() as channel:
                self.note(f"noise {number}, {data.hex()}", end_of(channel, data), (rows.CLOSE,))

    def websocket(self):
        for what, request in upgrades():
            with self.connection("ws") as channel:
                self.note(f"upgrade: {what}", answered(channel, request), ("4", "5", rows.CLOSE))
        for what, data, codes in frames():
            with self.connection("ws") as channel:
                if answered(channel, upgrade_request()) != "101":
                    self.wrong.append(f"no WebSocket for {what}")
                    continue
                self.note(f"frame: {what}", close_code(channel, data), codes)

    def other_protocols(self):
        hello = bytes.fromhex("16030100520100004e0303") + bytes(71)
        for what, kind, data in (
                ("TLS on the plain port", "mqtt", hello),
                ("TLS on the WebSocket port", "ws", hello),
                ("MQTT on the TLS port", "mqtts", rows.connect(4)),
                ("HTTP on the TLS port", "mqtts", b"GET / HTTP/1.1\r\n\r\n"),
                ("a TLS record of 64 KiB", "mqtts", b"\x16\x03\x01\xff\xff" + bytes(70000)),
                ("TLS alert", "mqtts", b"\x15\x03\x03\0\2\2\x28"),
                ("nothing but zeros", "wss", bytes(5000)),
                ("HTTP on the MQTT port", "mqtt", b"GET /mqtt HTTP/1.1\r\nHost: x\r\n\r\n"),
                ("SSH", "mqtt", b"SSH-2.0-OpenSSH_9.2\r\n"),
                ("Redis", "mqtt", b"*1\r\n$4\r\nPING\r\n"),
                ("PROXY v1 from anybody", "mqtt",
                 b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + rows.connect(4)),
                ("PROXY v2 from anybody", "mqtt",
                 b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12) +
                 rows.connect(4))):
            with self.connection(kind) as channel:
                self.note(what, ending(channel, data), (rows.CLOSE,))

    def abrupt(self):
        """Everything at once and gone before the answer, which then cannot be written."""
        publish = rows.publish(4, b"hostile/abrupt")
        for kind, data in (("ws", upgrade_request() + frame(PING_FRAME, b"x") +
                            frame(BINARY, publish)),
                           ("ws", upgrade_request() + frame(BINARY, rows.connect(4) + publish)),
                           ("mqtt", rows.connect(4) + publish + PING)):
            for _ in range(ABRUPT // 3):
                channel = self.connection(kind)
                channel.sendall(data)
                channel.close()
                self.count += 1

    def half_open(self):
        """Sockets that say nothing, or half of a CONNECT, are let go in time; others are served."""
        channels = [self.connection() for _ in range(HALF_OPEN)]
        for channel in channels[::2]:
            channel.sendall(rows.connect(5)[:9])
        self.serves(f"{HALF_OPEN} half-open sockets")
        for channel in channels:
            self.note("a half-open socket", closed_within(channel, 30), (rows.CLOSE,))
            channel.close()


def receive(channel, size):
    data = b""
    while len(data) < size:
        more = channel.recv(size - len(data))
        if not more:
            raise ConnectionResetError
        data += more
    return data


def packet_of(channel):
    first = receive(channel, 1)[0]
    size = shift = 0
    while True:
        digit = receive(channel, 1)[0]
        size |= (digit & 127) << shift
        shift += 7
        if not digit & 128:
            return first >> 4, receive(channel, size)


def ending(channel, data):
    """How it went on after `data`, the last of which is a PINGREQ where it is to be answered."""
    reason = rows.CLOSE
    try:
        channel.sendall(data)
    except OSError:
        pass  # closed while it was still being sent
    try:
        while True:
            kind, body = packet_of(channel)
            if kind == rows.PINGRESP:
                return rows.ALIVE
            if kind == rows.CONNACK and body[1] != 0:
                reason = body[1]
            elif kind == rows.DISCONNECT:
                reason = body[0]
    except ConnectionResetError:
        return reason
    except TimeoutError:
        return "open, and silent"


def end_of(channel, data):
    """What becomes of a connection whose client says `data` and that this is all."""
    try:
        channel.sendall(data)
        channel.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # closed while it was still being sent
    return closed_within(channel, 20)


def closed_within(channel, seconds):
    channel.settimeout(seconds)
    try:
        while channel.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return f"open after {seconds} s"
    return rows.CLOSE


def answered(channel, request):
    """"101", the first digit of a status of 400 and more, or closed without an answer."""
    data = b""
    try:
        channel.sendall(request)
        while b"\r\n\r\n" not in data:
            more = channel.recv(4096)
            if not more:
                break
            data += more
    except ConnectionResetError:
        pass
    except TimeoutError:
        return "open, and silent"
    if not data.startswith(b"HTTP/1.1 "):
        return rows.CLOSE if not data else f"{data[:40]}"
    return "101" if data[9:12] == b"101" else data[9:10].decode()


def upgrades():
    good = upgrade_request()

    def without(name):
        return b"\r\n".join(l for l in good.split(b"\r\n") if not l.startswith(name)) + b""
    yield from (
        ("no method", b"\r\n\r\n"), ("no version", good.replace(b" HTTP/1.1", b"", 1)),
        ("HTTP/1.0", good.replace(b"HTTP/1.1", b"HTTP/1.0", 1)),
        ("HTTP/9.9", good.replace(b"1.1", b"9.9", 1)),
        ("no key", without(b"Sec-WebSocket-Key")),
        ("no version of WebSocket", without(b"Sec-WebSocket-Version")),
        ("version 8", good.replace(b"Version: 13", b"Version: 8")),
        ("a short key", upgrade_request().replace(b"Key: ", b"Key: AAAA\r\nX: ")),
        ("no Upgrade", without(b"Upgrade")), ("no Connection", without(b"Connection")),
        ("a length and a body", good[:-2] + b"Content-Length: 5\r\n\r\nhello"),
        ("chunks", good[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("a length and chunks",
         good[:-2] + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("two keys", upgrade_request(more=["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="])),
        ("NUL in a header", good[:-2] + b"X: a\0b\r\n\r\n"),
        ("a header without a colon", good[:-2] + b"nonsense\r\n\r\n"),
        ("a header of 64 KiB", good[:-2] + b"X: " + b"x" * 65536 + b"\r\n\r\n"),
        ("5,000 headers", good[:-2] + b"X: y\r\n" * 5000 + b"\r\n"),
        ("a path of 64 KiB", upgrade_request("/" + "p" * 65536)),
        ("a path with ..", upgrade_request("/../mqtt/../x")),
        ("another method", upgrade_request(method="DELETE")),
        ("bytes", bytes(range(256)) + b"\r\n\r\n"))


def frames():
    ping = frame(BINARY, PING)
    yield from (
        ("text", frame(TEXT, b"hello"), (1003,)),
        ("unmasked", frame(BINARY, PING, masked=False), (1002,)),
        ("reserved bits", bytes([ping[0] | 0x40]) + ping[1:], (1002,)),
        ("opcode 3", frame(3, b"x"), (1002,)),
        ("opcode 11", frame(11, b"x"), (1002,)),
        ("a ping of 126 bytes", frame(9, bytes(126)), (1002,)),
        ("a ping in fragments", frame(9, b"x", fin=False), (1002,)),
        ("a close of one byte", frame(8, b"x"), (1002,)),
        ("a close with the code 1005", frame(8, b"\x03\xed"), (1002,)),
        ("a close with a reason that is no UTF-8", frame(8, b"\x03\xe8\xff\xff"),
         (1000, 1002, 1007)),
        ("a continuation of nothing", frame(CONTINUATION, b"x"), (1002,)),
        ("a frame within a message", frame(BINARY, b"\xc0", fin=False) + ping, (1002,)),
        ("2^63 bytes announced", b"\x82\xff" + struct.pack(">Q", 1 << 63) + b"mask!", (1002, 1009)),
        ("2^40 bytes announced", b"\x82\xff" + struct.pack(">Q", 1 << 40) + b"mask!", (1009,)),
        ("MQTT that is none", frame(BINARY, b"\0\0"), (rows.CLOSE, 1000, 1002)),
        ("a close", frame(8, b"\x03\xe8"), (1000,)))


def close_code(channel, data):
    """The code of the server's close frame, or closed without one."""
    try:
        channel.sendall(data)
    except OSError:
        pass
    try:
        while True:
            opcode, size = receive(channel, 2)
            size = struct.unpack(">H", receive(channel, 2))[0] if size == 126 else size
            payload = receive(channel, size)
            if opcode & 15 == 8:
                return struct.unpack(">H", payload[:2])[0]
    except ConnectionResetError:
        return rows.CLOSE
    except TimeoutError:
        return "open, and silent"
