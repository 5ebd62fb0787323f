"""A WebSocket with every frame written by hand, so that it can also be wrong (RFC 6455)."""

import base64
import os
import socket
import ssl
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Closed(Exception):
    """The server closed; `code` is that of its close frame, None without one."""

    def __init__(self, code):
        super().__init__(f"closed with {code}")
        self.code = code


def upgrade_request(path="/mqtt", subprotocol="mqtt", method="GET", more=()):
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Upgrade: websocket",
             "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
             f"Sec-WebSocket-Protocol: {subprotocol}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def frame(opcode, payload, fin=True, masked=True):
    mask = os.urandom(4)
    size = len(payload)
    length = (bytes([size]) if size < 126 else
              b"\x7e" + struct.pack(">H", size) if size < 65536 else
              b"\x7f" + struct.pack(">Q", size))
    head = bytes([(0x80 if fin else 0) | opcode, length[0] | (0x80 if masked else 0)]) + length[1:]
    if not masked:
        return head + payload
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


class WebSocket:
    """The stream of binary payload, with the methods of a socket that mqtt.Client uses."""

    def __init__(self, address, ca_file=None, request=None, timeout=10.0):
        host, port = address.rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)), timeout)
        if ca_file:
            context = ssl.create_default_context(cafile=str(ca_file))
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
        self._buffer = b""
        self.pongs = []
        self.send_raw(request or upgrade_request())
        while b"\r\n\r\n" not in self._buffer:
            self._receive()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        self.status = int(head.split()[1])
        self.head = head.decode()

    def send_raw(self, data):
        self._socket.sendall(data)

    def sendall(self, data):
        self.send_raw(frame(BINARY, data))

    def recv(self, _size):
        """The payload of the next binary frame; b'' after a close."""
        try:
            return self.next_frame()
        except Closed:
            return b""

    def settimeout(self, seconds):
        self._socket.settimeout(seconds)

    def close(self):
        self._socket.close()

    def next_frame(self):
        while True:
            opcode, payload = self._frame()
            if opcode == BINARY:
                return payload
            if opcode == CLOSE:
                raise Closed(struct.unpack(">H", payload[:2])[0])
            if opcode == PONG:
                self.pongs.append(payload)

    def _frame(self):
        first, size = self._take(2)
        if size == 126:
            size = struct.unpack(">H", self._take(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self._take(8))[0]
        return first & 0x0f, self._take(size)

    def _take(self, size):
        while len(self._buffer) < size:
            self._receive()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _receive(self):
        data = self._socket.recv(65536)
        if not data:
            raise Closed(None)
        self._buffer += data
