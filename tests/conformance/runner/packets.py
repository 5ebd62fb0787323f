"""MQTT packets as words: `PUBLISH topic=a/b qos=1 id=7 payload=hi` to bytes, and bytes to the same
keys. One table for packets, one for properties; wrong packets are written as hex instead."""

import re
import struct

TYPES = ("", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE",
         "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH")
ACKNOWLEDGEMENTS = ("PUBACK", "PUBREC", "PUBREL", "PUBCOMP")
LEVELS = {"3.1": 3, "3.1.1": 4, "5": 5}

# name: (identifier, kind)
PROPERTIES = {
    "payload_format": (0x01, "byte"), "message_expiry": (0x02, "four"),
    "content_type": (0x03, "text"), "response_topic": (0x08, "text"),
    "correlation_data": (0x09, "text"), "subscription_id": (0x0B, "varint"),
    "session_expiry": (0x11, "four"), "assigned_client_id": (0x12, "text"),
    "server_keep_alive": (0x13, "two"), "auth_method": (0x15, "text"),
    "auth_data": (0x16, "text"), "request_problem": (0x17, "byte"),
    "will_delay": (0x18, "four"), "request_response": (0x19, "byte"),
    "response_information": (0x1A, "text"), "server_reference": (0x1C, "text"),
    "reason_string": (0x1F, "text"), "receive_maximum": (0x21, "two"),
    "topic_alias_maximum": (0x22, "two"), "topic_alias": (0x23, "two"),
    "maximum_qos": (0x24, "byte"), "retain_available": (0x25, "byte"),
    "user": (0x26, "pair"), "maximum_packet_size": (0x27, "four"),
    "wildcard_available": (0x28, "byte"), "subscription_id_available": (0x29, "byte"),
    "shared_available": (0x2A, "byte"),
}
NAMES = {number: (name, kind) for name, (number, kind) in PROPERTIES.items()}
REPEATED = ("user", "subscription_id")
_INTEGERS = {"byte": ">B", "two": ">H", "four": ">I"}


class Malformed(Exception):
    """The server sent what is no packet."""


def encode(kind, keys, version):
    """`keys` maps a key to the list of its values, all of them text."""
    writer = _Writer(dict(keys), version)
    flags, body = getattr(writer, "write_" + _family(kind))(kind)
    if writer.keys:
        raise ValueError(f"{kind} has no {', '.join(writer.keys)}")
    return bytes([TYPES.index(kind) << 4 | flags]) + varint(len(body)) + body


def decode(first, body, version):
    """(kind, keys) of a packet from the server. A value is text, of a repeated key a list of it."""
    kind = TYPES[first >> 4]
    reader = _Reader(body, version)
    try:
        keys = getattr(reader, "read_" + _family(kind))(kind, first & 15)
    except (struct.error, UnicodeDecodeError, AttributeError, KeyError, IndexError) as error:
        raise Malformed(f"{kind} {body.hex()}: {error}") from None
    if not reader.at_end():
        raise Malformed(f"{kind} {body.hex()}: bytes left over")
    return kind, keys


def varint(value):
    out = b""
    while True:
        value, digit = divmod(value, 128)
        out += bytes([digit | (0x80 if value else 0)])
        if not value:
            return out


def as_bytes(text):
    """`0x..` is hex and so is `{..}` inside a text; `*N` at the end repeats what is before it."""
    repeated = re.fullmatch(r"(.*)\*(\d+)", text, re.DOTALL)
    if repeated:
        return as_bytes(repeated[1]) * int(repeated[2])
    if text.startswith("0x"):
        return bytes.fromhex(text[2:])
    return b"".join(bytes.fromhex(part[1:-1]) if part.startswith("{") else part.encode()
                    for part in re.split(r"(\{(?:[0-9a-f]{2})+\})", text))


def _family(kind):
    if kind in ACKNOWLEDGEMENTS:
        return "acknowledgement"
    return {"PINGREQ": "empty", "PINGRESP": "empty"}.get(kind, kind.lower())


def _text(value):
    data = as_bytes(value)
    return struct.pack(">H", len(data)) + data


class _Writer:
    def __init__(self, keys, version):
        self.keys, self.version, self.v5 = keys, version, version == "5"

    def one(self, key, default=""):
        values = self.keys.pop(key, [default])
        if len(values) != 1:
            raise ValueError(f"{key} is there {len(values)} times")
        return values[0]

    def number(self, key, default=0, base=10):
        return int(self.one(key, str(default)), base)

    def packet_id(self):
        return struct.pack(">H", self.number("id"))

    def properties(self, prefix=""):
        if not self.v5:
            return b""
        out = b""
        for key in [k for k in self.keys if k.startswith(prefix) and k[len(prefix):] in PROPERTIES]:
            number, kind = PROPERTIES[key[len(prefix):]]
            for value in self.keys.pop(key):
                out += varint(number) + _property(kind, value)
        return varint(len(out)) + out

    def write_connect(self, _kind):
        name = self.one("protocol", "MQIsdp" if self.version == "3.1" else "MQTT")
        level = self.number("level", LEVELS[self.version])
        will = self.one("will_topic", None)
        user, password = self.one("user_name", None), self.one("password", None)
        flags = (self.number("clean", 1) << 1 | (0x04 if will is not None else 0) |
                 self.number("will_qos") << 3 | self.number("will_retain") << 5 |
                 (0x40 if password is not None else 0) | (0x80 if user is not None else 0))
        body = _text(name) + struct.pack(">BBH", level, flags, self.number("keep_alive", 60))
        client = _text(self.one("client"))
        will_payload, will_properties = self.one("will_payload"), self.properties("will.")
        body += self.properties() + client
        if will is not None:
            data = as_bytes(will_payload)
            body += will_properties + _text(will) + struct.pack(">H", len(data)) + data
        for value in (user, password):
            body += _text(value) if value is not None else b""
        return 0, body

    def write_publish(self, _kind):
        qos = self.number("qos")
        flags = self.number("dup") << 3 | qos << 1 | self.number("retain")
        payload = as_bytes(self.one("payload"))
        body = _text(self.one("topic")) + (self.packet_id() if qos else b"")
        return flags, body + self.properties() + payload

    def write_acknowledgement(self, kind):
        body = self.packet_id()
        reason = self.number("reason", 0, 16)
        properties = self.properties()
        if self.v5 and (reason or properties != b"\0"):
            body += bytes([reason]) + properties
        return 2 if kind == "PUBREL" else 0, body

    def write_subscribe(self, _kind):
        body = self.packet_id() + self.properties()
        options = (self.number("qos") | self.number("no_local") << 2 |
                   self.number("retain_as_published") << 3 | self.number("retain_handling") << 4)
        for filter_ in self.keys.pop("filter"):
            # `a/b:2` asks for a QoS of its own.
            text, colon, qos = filter_.rpartition(":")
            own = colon and qos in ("0", "1", "2")
            body += _text(text if own else filter_) + bytes([options & ~3 | int(qos) if own
                                                             else options])
        return 2, body

    def write_unsubscribe(self, _kind):
        body = self.packet_id() + self.properties()
        return 2, body + b"".join(_text(f) for f in self.keys.pop("filter"))

    def write_empty(self, _kind):
        return 0, b""

    def write_disconnect(self, _kind):
        reason = self.number("reason", 0, 16)
        properties = self.properties()
        if not self.v5 or (not reason and properties == b"\0"):
            return 0, b""
        return 0, bytes([reason]) + properties

    def write_auth(self, _kind):
        return 0, bytes([self.number("reason", 0, 16)]) + self.properties()


def _property(kind, value):
    if kind in _INTEGERS:
        return struct.pack(_INTEGERS[kind], int(value))
    if kind == "varint":
        return varint(int(value))
    if kind == "pair":
        return b"".join(_text(part) for part in value.split(":", 1))
    return _text(value)


class _Reader:
    def __init__(self, body, version):
        self.body, self.at, self.v5 = body, 0, version == "5"

    def at_end(self):
        return self.at == len(self.body)

    def number(self, form):
        value = struct.unpack_from(form, self.body, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def varint(self):
        value = shift = 0
        while True:
            byte = self.number(">B")
            value |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                return value

    def text(self, size=None):
        size = self.number(">H") if size is None else size
        data = self.body[self.at:self.at + size]
        if len(data) < size:
            raise struct.error("cut short")
        self.at += size
        return show(data)

    def properties(self):
        if not self.v5 or self.at_end():
            return {}
        end = self.varint() + self.at
        found = {}
        while self.at < end:
            name, kind = NAMES[self.varint()]
            if kind in _INTEGERS:
                value = str(self.number(_INTEGERS[kind]))
            elif kind == "varint":
                value = str(self.varint())
            else:
                value = self.text() + (":" + self.text() if kind == "pair" else "")
            if name in REPEATED:
                found.setdefault(name, []).append(value)
            elif name in found:
                raise struct.error(f"{name} twice")
            else:
                found[name] = value
        if self.at != end:
            raise struct.error("properties do not fit their length")
        return found

    def read_connack(self, _kind, _flags):
        flags, reason = self.number(">B"), self.number(">B")
        if flags > 1:
            raise struct.error("reserved flags")
        return {"session_present": str(flags), "reason": f"{reason:02X}", **self.properties()}

    def read_publish(self, _kind, flags):
        qos = flags >> 1 & 3
        keys = {"qos": str(qos), "dup": str(flags >> 3), "retain": str(flags & 1),
                "topic": self.text()}
        if qos:
            keys["id"] = str(self.number(">H"))
        keys.update(self.properties())
        keys["payload"] = self.text(len(self.body) - self.at)
        return keys

    def read_acknowledgement(self, kind, flags):
        if flags != (2 if kind == "PUBREL" else 0):
            raise struct.error("reserved flags")
        keys = {"id": str(self.number(">H")), "reason": "00"}
        if self.v5 and not self.at_end():
            keys["reason"] = f"{self.number('>B'):02X}"
        return {**keys, **self.properties()}

    def read_suback(self, _kind, _flags):
        keys = {"id": str(self.number(">H")), **self.properties()}
        keys["codes"] = ",".join(f"{code:02X}" for code in self.body[self.at:])
        self.at = len(self.body)
        return keys

    read_unsuback = read_suback

    def read_empty(self, _kind, _flags):
        return {}

    def read_disconnect(self, _kind, _flags):
        if not self.v5:
            raise struct.error("a server's DISCONNECT before version 5")
        keys = {"reason": "00" if self.at_end() else f"{self.number('>B'):02X}"}
        return {**keys, **self.properties()}

    def read_auth(self, _kind, _flags):
        return {"reason": f"{self.number('>B'):02X}", **self.properties()}


def show(data):
    """Text where it is printable text, hex where not; the inverse of as_bytes for short values."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "0x" + data.hex()
    return text if text.isprintable() else "0x" + data.hex()
