"""The stack's private Redis, and a client just large enough for the stack's own tools."""

import socket

from .process import Part


class RedisServer(Part):
    name = "redis"

    def __init__(self, state):
        self._folder = state.data_folder("redis")
        self.socket = str(self._folder / "redis.sock")

    def command(self):
        # What an acknowledgement promises rests on appendfsync and noeviction: docs/OPERATIONS.md.
        return ["redis-server", "--port", "0", "--unixsocket", self.socket,
                "--unixsocketperm", "700", "--dir", str(self._folder), "--daemonize", "no",
                "--logfile", "", "--appendonly", "yes", "--appendfsync", "always",
                "--maxmemory-policy", "noeviction", "--save", ""]

    def ready(self):
        try:
            with RedisClient(self.socket) as client:
                return client.call("PING") == "PONG"
        except (OSError, RedisError):
            return False


class RedisError(Exception):
    """An error answer of the server, or a connection closed in the middle of an answer."""


class RedisClient:
    """One blocking connection to `address`, a socket path or host:port."""

    def __init__(self, address, timeout=5.0):
        if ":" in address and not address.startswith("/"):
            host, port = address.rsplit(":", 1)
            self._socket = socket.create_connection((host, int(port)), timeout)
        else:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(timeout)
            try:
                self._socket.connect(address)
            except OSError:
                self._socket.close()
                raise
        self._file = self._socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()
        self._socket.close()

    def call(self, *words):
        encoded = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        parts = [b"*%d\r\n" % len(encoded)]
        parts += [b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded]
        self._socket.sendall(b"".join(parts))
        return self._answer()

    def scan(self, pattern):
        """Every key matching `pattern`."""
        cursor = "0"
        while True:
            cursor, keys = self.call("SCAN", cursor, "MATCH", pattern, "COUNT", "1000")
            yield from keys
            if cursor == "0":
                return

    def _answer(self):
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise RedisError("connection closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if rest == b"-1":
                return None
            data = self._file.read(int(rest) + 2)
            return data[:-2].decode("utf-8", "surrogateescape")
        if kind == b"*":
            return None if rest == b"-1" else [self._answer() for _ in range(int(rest))]
        raise RedisError(f"unexpected answer {line!r}")
