"""A raw MQTT client for tests: builds packets byte by byte, so that it can also send wrong ones."""

import hashlib
import hmac
import socket
import ssl
import struct
import time

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 2, 3, 4, 5, 6, 7
SUBACK, UNSUBACK, PINGRESP, DISCONNECT = 9, 11, 13, 14


class Closed(Exception):
    """The server closed the connection."""


class Packet:
    def __init__(self, kind, flags, body):
        self.kind, self.flags, self.body = kind, flags, body

    def __repr__(self):
        return f"Packet(kind={self.kind}, flags={self.flags}, body={self.body!r})"


def fleet_password(username, fleet_key):
    return hmac.new(fleet_key.encode(), username.encode(), hashlib.sha256).hexdigest()


def tls_context(ca_file, certificate=None):
    context = ssl.create_default_context(cafile=str(ca_file))
    if certificate:
        context.load_cert_chain(*(str(path) for path in certificate))
    return context


class Client:
    """One connection. Every wait has a deadline; TimeoutError when it passes."""

    def __init__(self, address, version=4, ca_file=None, timeout=10.0, certificate=None,
                 context=None, session=None):
        """`certificate`: the files of a client certificate and its key. `context`: an ssl.SSLContext
        in the place of both files, whose `session` is to be resumed."""
        host, port = address.rsplit(":", 1)
        self.version = version
        self.timeout = timeout
        self._socket = socket.create_connection((host, int(port)), timeout)
        if ca_file and context is None:
            context = tls_context(ca_file, certificate)
        if context is not None:
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost",
                                               session=session)
        self._buffer = b""
        self._waiting = []
        self._next_id = 1
        self.connack = self.goodbye = b""  # the bodies of the last CONNACK and DISCONNECT

    # ---- of a TLS connection ----

    def tls_resumed(self):
        return self._socket.session_reused

    def tls_ticket(self):
        """The session to resume once its ticket has come, before which nothing else may come."""
        if self._socket.session is None or not self._socket.session.has_ticket:
            self._socket.settimeout(0.05)
            try:
                self._socket.recv(1)
            except TimeoutError:
                pass
            self._socket.settimeout(self.timeout)
        session = self._socket.session
        return session if session is not None and session.has_ticket else None

    # ---- the connection's end ----

    def close(self):
        self._socket.close()

    def reset(self):
        """Closes by a reset: the other side knows at once, whatever it has not read."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    # ---- packets out ----

    def send(self, kind, flags, body):
        self._socket.sendall(bytes([kind << 4 | flags]) + _length(len(body)) + body)

    def send_raw(self, data):
        self._socket.sendall(data)

    def last_id(self):
        """The packet id that was used last."""
        return self._next_id

    def connect(self, client_id, username=None, password=None, keep_alive=60, clean=True,
                will=None, expiry_s=None):
        """Sends CONNECT; returns (session present, return or reason code). `will`: (topic, payload),
        of QoS 1. `expiry_s`: of a session of version 5."""
        self.send_connect(client_id, username, password, keep_alive, clean, will, expiry_s)
        self.connack = self.wait(CONNACK).body
        return self.connack[0] & 1, self.connack[1]

    def send_connect(self, client_id, username=None, password=None, keep_alive=60, clean=True,
                     will=None, expiry_s=None):
        flags = (0x02 if clean else 0) | (0x80 if username else 0) | (0x40 if password else 0)
        flags |= 0x0c if will else 0
        body = _text("MQTT") + bytes([self.version, flags]) + struct.pack(">H", keep_alive)
        expiry = b"" if expiry_s is None else struct.pack(">BBI", 5, 0x11, expiry_s)
        body += (expiry or self._properties()) + _text(client_id)
        body += self._properties() + _text(will[0]) + _text(will[1]) if will else b""
        body += (_text(username) if username else b"") + (_text(password) if password else b"")
        self.send(1, 0, body)

    def subscribe(self, *filters, qos=1):
        """Returns the codes of SUBACK."""
        packet_id = self._packet_id()
        body = struct.pack(">H", packet_id) + self._properties()
        self.send(8, 2, body + b"".join(_text(f) + bytes([qos]) for f in filters))
        body = self.wait(SUBACK).body[2:]
        return list(body[1 + body[0]:] if self.version == 5 else body)

    def unsubscribe(self, *filters):
        body = struct.pack(">H", self._packet_id()) + self._properties()
        self.send(10, 2, body + b"".join(_text(f) for f in filters))
        self.wait(UNSUBACK)

    def publish(self, topic, payload, qos=1, wait=True, dup=False, retain=False, expiry_s=None):
        """Returns the code of PUBACK (0 where the protocol has none); None for QoS 0 or no wait.
        `expiry_s`: of a message of version 5."""
        payload = payload if isinstance(payload, bytes) else payload.encode()
        body = _text(topic) + (struct.pack(">H", self._packet_id()) if qos else b"")
        expiry = b"" if expiry_s is None else struct.pack(">BBI", 5, 2, expiry_s)
        body += (expiry or self._properties()) + payload
        self.send(PUBLISH, (8 if dup else 0) | qos << 1 | retain, body)
        if not qos or not wait:
            return None
        answer = self.wait(PUBACK).body
        return answer[2] if len(answer) > 2 else 0

    def send_exactly_once(self, topic, payload, packet_id, dup=False):
        """PUBLISH of QoS 2; PUBREC is not awaited."""
        body = _text(topic) + struct.pack(">H", packet_id) + self._properties()
        self.send(PUBLISH, (8 if dup else 0) | 4, body + payload.encode())

    def release(self, packet_id):
        self.send(PUBREL, 2, struct.pack(">H", packet_id))
        self.wait(PUBCOMP)

    def send_at_once(self, messages):
        """Publishes retained messages of QoS 0, (topic, payload), in one write."""
        packets = b""
        for topic, payload in messages:
            body = _text(topic) + self._properties() + payload
            packets += bytes([PUBLISH << 4 | 1]) + _length(len(body)) + body
        self._socket.sendall(packets)

    def ping(self):
        self.send(12, 0, b"")
        self.wait(PINGRESP)

    def disconnect(self):
        self.send(DISCONNECT, 0, b"")
        self.close()

    # ---- packets in ----

    def wait(self, kind, timeout=None):
        """The next packet of `kind`; others are kept for later waits. Acknowledges publishes."""
        for index, packet in enumerate(self._waiting):
            if packet.kind == kind:
                return self._waiting.pop(index)
        deadline = time.monotonic() + (timeout or self.timeout)
        while True:
            packet = self._read(deadline)
            if packet.kind == PUBLISH and packet.flags & 6:
                self.send(PUBACK, 0, self.split(packet)[1])
            if packet.kind == kind:
                return packet
            self._waiting.append(packet)

    def read(self, timeout=None):
        """The next packet, whatever it is; nothing is acknowledged."""
        return self._read(time.monotonic() + (timeout or self.timeout))

    def message(self, timeout=None):
        """(topic, payload) of the next PUBLISH."""
        packet = self.wait(PUBLISH, timeout)
        topic, _, payload = self.split(packet)
        return topic, payload

    def marked_message(self, timeout=None):
        """(payload, whether it has DUP) of the next PUBLISH."""
        packet = self.wait(PUBLISH, timeout)
        return self.split(packet)[2], bool(packet.flags & 8)

    def wait_closed(self, timeout=None):
        """The reason of a DISCONNECT (None without one) once the server has closed."""
        deadline = time.monotonic() + (timeout or self.timeout)
        reason = None
        try:
            while True:
                packet = self._read(deadline)
                if packet.kind == DISCONNECT:
                    self.goodbye = packet.body
                    reason = packet.body[0] if packet.body else 0
        except Closed:
            return reason

    def split(self, packet):
        """(topic, bytes of the packet id, payload) of a PUBLISH."""
        size = struct.unpack(">H", packet.body[:2])[0]
        topic, rest = packet.body[2:2 + size].decode(), packet.body[2 + size:]
        packet_id = b""
        if packet.flags & 6:
            packet_id, rest = rest[:2], rest[2:]
        if self.version == 5:
            size, used = _read_length(rest)
            rest = rest[used + size:]
        return topic, packet_id, rest

    def _read(self, deadline):
        while True:
            packet = self._parse()
            if packet:
                return packet
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no packet in time")
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(65536)
            except socket.timeout:
                raise TimeoutError("no packet in time") from None
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError) as error:
                raise Closed(str(error)) from None
            if not data:
                raise Closed("end of stream")
            self._buffer += data

    def _parse(self):
        if len(self._buffer) < 2:
            return None
        found = _read_length(self._buffer[1:])
        if found is None or len(self._buffer) < 1 + sum(found):
            return None
        size, used = found
        first, body = self._buffer[0], self._buffer[1 + used:1 + used + size]
        self._buffer = self._buffer[1 + used + size:]
        return Packet(first >> 4, first & 15, body)

    def _properties(self):
        return b"\x00" if self.version == 5 else b""

    def _packet_id(self):
        self._next_id = self._next_id % 65535 + 1
        return self._next_id


def _text(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack(">H", len(data)) + data


def _length(size):
    out = b""
    while True:
        size, digit = divmod(size, 128)
        out += bytes([digit | (0x80 if size else 0)])
        if not size:
            return out


def _read_length(data):
    """(value, bytes used) of a variable byte integer, None where it is not complete."""
    value = 0
    for index in range(min(4, len(data))):
        value |= (data[index] & 127) << 7 * index
        if not data[index] & 128:
            return value, index + 1
    return None
