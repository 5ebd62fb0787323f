"""What no client should send over a plain connection, as rows; cases/hostile.py plays them."""

import struct
from dataclasses import dataclass

# How a row may end: "alive", "close" without a packet, or a reason code of CONNACK or DISCONNECT.
ALIVE, CLOSE = "alive", "close"
MALFORMED, PROTOCOL = 0x81, 0x82
WRONG = (MALFORMED, PROTOCOL)

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, \
    UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(1, 16)
FLAGS = {PUBREL: 2, SUBSCRIBE: 2, UNSUBSCRIBE: 2}

BAD_TEXTS = {
    "U+0000": b"a\0b", "a surrogate": b"a\xed\xa0\x80", "the last surrogate": b"\xed\xbf\xbf",
    "an overlong slash": b"\xc0\xaf", "an overlong U+0000": b"\xc0\x80",
    "half a character": b"a\xe2\x82",
    "beyond U+10FFFF": b"\xf4\x90\x80\x80", "a lone continuation": b"\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "0xFF": b"\xff"}

# MQTT 5 section 2.2.2.2: identifier -> (name, a right value, packets it is valid in), 0 the will.
PROPERTIES = {
    0x01: ("payload format", b"\x01", {PUBLISH, 0}),
    0x02: ("message expiry", b"\0\0\0\x3c", {PUBLISH, 0}),
    0x03: ("content type", b"\0\1a", {PUBLISH, 0}),
    0x08: ("response topic", b"\0\1a", {PUBLISH, 0}),
    0x09: ("correlation data", b"\0\1a", {PUBLISH, 0}),
    0x0b: ("subscription identifier", b"\1", {SUBSCRIBE}),
    0x11: ("session expiry", b"\0\0\0\0", {CONNECT, DISCONNECT}),
    0x12: ("assigned client id", b"\0\1a", set()),
    0x13: ("server keep alive", b"\0\5", set()),
    0x15: ("authentication method", b"\0\1a", {CONNECT, AUTH}),
    0x16: ("authentication data", b"\0\1a", {CONNECT, AUTH}),
    0x17: ("request problem", b"\1", {CONNECT}),
    0x18: ("will delay", b"\0\0\0\0", {0}), 0x19: ("request response", b"\1", {CONNECT}),
    0x1a: ("response information", b"\0\1a", set()), 0x1c: ("server reference", b"\0\1a", set()),
    0x1f: ("reason string", b"\0\1a", {PUBACK, PUBREC, PUBREL, PUBCOMP, DISCONNECT, AUTH}),
    0x21: ("receive maximum", b"\0\5", {CONNECT}),
    0x22: ("topic alias maximum", b"\0\5", {CONNECT}),
    0x23: ("topic alias", b"\0\5", {PUBLISH}), 0x24: ("maximum QoS", b"\1", set()),
    0x25: ("retain available", b"\1", set()),
    0x26: ("user property", b"\0\1a\0\1b",
           {CONNECT, 0, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE,
            DISCONNECT, AUTH}),
    0x27: ("maximum packet size", b"\0\1\0\0", {CONNECT}),
    0x28: ("wildcards available", b"\1", set()),
    0x29: ("identifiers available", b"\1", set()), 0x2a: ("shared available", b"\1", set())}
UNKNOWN_PROPERTIES = (b"\0", b"\4", b"\x0a", b"\x20", b"\x2b", b"\x7f", b"\x80\x01", b"\xff\x7f",
                      b"\xff\xff\xff\x7f")


@dataclass
class Row:
    name: str
    version: int
    data: bytes
    ends: tuple
    connected: bool = True  # after CONNECT and CONNACK


def length(size):
    out = b""
    while True:
        size, digit = size // 128, size % 128
        out += bytes([digit | (0x80 if size else 0)])
        if not size:
            return out


def text(value):
    return struct.pack(">H", len(value)) + value


def packet(kind, body=b"", flags=None):
    first = kind << 4 | (FLAGS.get(kind, 0) if flags is None else flags)
    return bytes([first]) + length(len(body)) + body


def connect(version, client=b"hostile", flags=2, properties=b"", rest=b"", name=b"MQTT"):
    """`rest`: will, user name and password, as the flags say."""
    body = text(name) + bytes([version, flags]) + b"\0\x3c"
    return packet(CONNECT, body + (length(len(properties)) + properties if version == 5 else b"") +
                  text(client) + rest)


def publish(version, topic, number=None, properties=b"", payload=b"x", flags=None):
    body = text(topic) + (b"" if number is None else struct.pack(">H", number))
    if version == 5:
        body += length(len(properties)) + properties
    return packet(PUBLISH, body + payload, (0 if number is None else 2) if flags is None else flags)


def subscribe(version, *filters, number=1, properties=b"", kind=SUBSCRIBE):
    """`filters`: pairs of filter and options."""
    body = struct.pack(">H", number)
    if version == 5:
        body += length(len(properties)) + properties
    return packet(kind, body + b"".join(
        text(f) + (bytes([options]) if kind == SUBSCRIBE else b"") for f, options in filters))


def with_properties(kind, properties):
    """A packet of version 5 that is right but for these properties."""
    block = length(len(properties)) + properties
    if kind == CONNECT:
        return connect(5, properties=properties)
    if kind == 0:
        return connect(5, flags=6, rest=block + text(b"hostile/will") + text(b"x"))
    if kind == PUBLISH:
        return publish(5, b"hostile/t", properties=properties)
    if kind in (SUBSCRIBE, UNSUBSCRIBE):
        return subscribe(5, (b"hostile/f", 0), properties=properties, kind=kind)
    if kind in (DISCONNECT, AUTH):
        return packet(kind, b"\0" + block)
    return packet(kind, b"\0\7\0" + block)


def all_rows():
    for version in (4, 5):
        yield from framing(version)
        yield from order(version)
        yield from texts(version)
        yield from publishes(version)
        yield from subscribes(version)
        yield from acknowledgements(version)
    yield from connects()
    yield from properties()


def refused(version, *reasons):
    return reasons if version == 5 else (CLOSE,)


def framing(version):
    for first in range(0x10, 0x100):
        kind, flags = first >> 4, first & 15
        right = FLAGS.get(kind, 0)
        if flags == right or (kind == PUBLISH and flags & 6 != 6 and flags & 14 != 8):
            continue
        yield Row(f"first byte {first:02x}", version, bytes([first]) + b"\2\0\7",
                  refused(version, MALFORMED))
    for first in (0x00, 0x0f):
        yield Row(f"first byte {first:02x}", version, bytes([first, 0]),
                  refused(version, MALFORMED))
    for kind in range(PUBLISH, AUTH):
        first = bytes([kind << 4 | FLAGS.get(kind, 0)])
        for what, tail in (("five bytes", b"\x80\x80\x80\x80\x01"), ("no end",
                                                                     b"\xff\xff\xff\xff\xff\xff")):
            yield Row(f"type {kind}: remaining length of {what}", version, first + tail,
                      refused(version, MALFORMED))
        yield Row(f"type {kind}: 256 MiB announced", version, first + b"\xff\xff\xff\x7f",
                  refused(version, 0x95, MALFORMED))
        if kind not in (PINGREQ, DISCONNECT):
            yield Row(f"type {kind}: no body", version, first + b"\0", refused(version, *WRONG))
            yield Row(f"type {kind}: a body of one byte", version, first + b"\1\0",
                      refused(version, *WRONG))
    yield Row("PINGREQ, length not minimal", version, b"\xc0\x80\0", refused(version, MALFORMED))
    yield Row("PINGREQ with a body", version, b"\xc0\1\0", refused(version, MALFORMED))
    yield Row("a packet over the limit", version,
              publish(version, b"hostile/t", payload=bytes(1 << 19)),
              refused(version, 0x95) + (CLOSE,))


def order(version):
    for kind in range(2, 16):
        first = bytes([kind << 4 | FLAGS.get(kind, 0)])
        yield Row(f"type {kind} comes first", version, first + b"\2\0\7", (CLOSE,), connected=False)
    for kind in (CONNACK, SUBACK, UNSUBACK, PINGRESP):
        yield Row(f"type {kind} from a client", version,
                  packet(kind, b"\0\0" if kind == CONNACK else b"\0\7\0"
                  if kind != PINGRESP else b""), refused(version, *WRONG))
    yield Row("a second CONNECT", version, connect(version), refused(version, PROTOCOL))
    yield Row("AUTH without a method", version, packet(AUTH, b""), refused(version, *WRONG))
    after = publish(version, b"hostile/never", payload=b"after DISCONNECT")
    yield Row("PUBLISH behind DISCONNECT", version, b"\xe0\0" + after, (CLOSE,))
    yield Row("PUBLISH behind what is wrong", version, b"\xc1\0" + after,
              refused(version, MALFORMED))
    yield Row("PUBLISH behind a refused CONNECT", version, connect(version, flags=3) + after,
              refused(version, MALFORMED), connected=False)


def texts(version):
    for what, bad in BAD_TEXTS.items():
        closed = refused(version, MALFORMED)
        wrong_name = refused(version, MALFORMED, 0x90, 0x8f)
        for place, data, ends, connected in (
                ("client id", connect(version, client=bad), closed, False),
                ("user name", connect(version, flags=0x82, rest=text(bad)), closed, False),
                ("will topic",
                 connect(version, flags=6,
                         rest=(b"\0" if version == 5 else b"") + text(bad) + text(b"x")),
                 wrong_name, False),
                ("topic", publish(version, bad), wrong_name, True),
                ("filter", subscribe(version, (bad, 0)), wrong_name, True),
                ("filter of UNSUBSCRIBE", subscribe(version, (bad, 0), kind=UNSUBSCRIBE),
                 wrong_name, True)):
            yield Row(f"{place}: {what}", version, data, ends, connected)
        if version == 5:
            for place, kind, prefix in (
                    ("response topic", PUBLISH, b"\x08"), ("content type", PUBLISH, b"\x03"),
                    ("user property's name", PUBLISH, b"\x26"),
                    ("user property's value", SUBSCRIBE, b"\x26\0\1a"),
                    ("authentication method", CONNECT, b"\x15"), ("reason string", PUBACK, b"\x1f"),
                    ("reason string", DISCONNECT, b"\x1f"), ("will's content type", 0, b"\x03")):
                block = prefix + text(bad) + (text(b"v") if prefix == b"\x26" else b"")
                yield Row(f"{place}: {what}", 5, with_properties(kind, block),
                          (MALFORMED, PROTOCOL, 0x90),
                          kind not in (CONNECT, 0))


def publishes(version):
    for topic in (b"", b"#", b"+", b"a/+/b", b"a/#", b"a#", b"+a"):
        yield Row(f"PUBLISH to {topic}", version, publish(version, topic),
                  refused(version, 0x90, *WRONG))
    yield Row("PUBLISH to a long topic", version, publish(version, b"t" * 65535),
              refused(version, 0x90))
    yield Row("PUBLISH to many levels", version, publish(version, b"/" * 300),
              refused(version, 0x90))
    for flags in (2, 4):
        yield Row(f"packet identifier 0, flags {flags}", version,
                  publish(version, b"hostile/t", 0, flags=flags),
                  refused(version, *WRONG))
    yield Row("the same identifier twice", version, publish(version, b"hostile/t", 7, flags=4) * 2,
              (ALIVE,))
    # Only a client of version 5 has been told how many it may send.
    yield Row("1,100 of QoS 2, none released", version,
              b"".join(publish(version, b"hostile/t", n, flags=4) for n in range(1, 1101)),
              (ALIVE,) if version == 4 else (0x93,))
    yield Row("the topic is longer than the packet", version, packet(PUBLISH, b"\xff\xffab"),
              refused(version, MALFORMED))
    if version == 5:
        for what, block, reason in (
                ("alias 0", b"\x23\0\0", (0x94,)),
                ("alias over the maximum", b"\x23\0\x0b", (0x94,)),
                ("alias 65535", b"\x23\xff\xff", (0x94,)), ("payload format 2", b"\1\2", WRONG),
                ("response topic with a wildcard", b"\x08\0\1#", (PROTOCOL, 0x90)),
                ("empty response topic", b"\x08\0\0", (PROTOCOL, 0x90)),
                ("subscription identifier from a client", b"\x0b\1", WRONG)):
            yield Row(what, 5, publish(5, b"hostile/t", properties=block), reason)
        yield Row("an alias that nothing was said of", 5, publish(5, b"", properties=b"\x23\0\1"),
                  (PROTOCOL, 0x94))
        yield Row("properties longer than the packet", 5, packet(PUBLISH, text(b"t") + b"\x7f"),
                  (MALFORMED,))
        yield Row("a property length of five bytes", 5,
                  packet(PUBLISH, text(b"t") + b"\x80\x80\x80\x80\1"), (MALFORMED,))


def subscribes(version):
    for f in (b"", b"a/#/b", b"#/a", b"a#", b"a/b#", b"a+", b"+a/b", b"a/+b", b"##", b"++"):
        for kind in (SUBSCRIBE, UNSUBSCRIBE):
            yield Row(f"type {kind} with the filter {f}", version,
                      subscribe(version, (f, 0), kind=kind),
                      refused(version, 0x8f, *WRONG))
    for f in (b"$share/", b"$share/g", b"$share//f", b"$share/g/", b"$share/+/f", b"$share/#/f",
              b"$share/g+/f"):
        # Before version 5 there are no shared subscriptions: such a filter is one like any other.
        yield Row(f"the filter {f}", version, subscribe(version, (f, 0)),
                  (ALIVE, CLOSE, 0x8f, *WRONG))
    for kind in (SUBSCRIBE, UNSUBSCRIBE):
        yield Row(f"type {kind} without a filter", version, subscribe(version, kind=kind),
                  refused(version, *WRONG))
        yield Row(f"type {kind}, identifier 0", version,
                  subscribe(version, (b"hostile/f", 0), number=0, kind=kind),
                  refused(version, *WRONG))
        yield Row(f"type {kind} with 5,000 filters", version,
                  subscribe(version, *((b"hostile/%d" % i, 0) for i in range(5000)), kind=kind),
                  refused(version, 0x97))  # more than one packet may hold
    for options in (3, 0x40, 0x80, 0xff) + ((0x30,) if version == 5 else (4, 0x10)):
        yield Row(f"options {options:02x}", version, subscribe(version, (b"hostile/f", options)),
                  refused(version, *WRONG))
    yield Row("a long filter", version, subscribe(version, (b"f" * 65535, 0)),
              (ALIVE, *refused(version, 0x8f)))
    if version == 5:
        yield Row("no local and shared", 5, subscribe(5, (b"$share/g/hostile", 4)), (PROTOCOL,))
        yield Row("subscription identifier 0", 5, subscribe(5, (b"f", 0), properties=b"\x0b\0"),
                  (PROTOCOL,))
        yield Row("subscription identifier of five bytes", 5,
                  subscribe(5, (b"f", 0), properties=b"\x0b\xff\xff\xff\xff\1"), (MALFORMED,))


def acknowledgements(version):
    for kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
        yield Row(f"type {kind} of nothing", version, packet(kind, b"\0\7"), (ALIVE,))
        yield Row(f"type {kind} of identifier 0", version, packet(kind, b"\0\0"),
                  (ALIVE, *refused(version, *WRONG)))
        if version == 4:
            yield Row(f"type {kind} too long", 4, packet(kind, b"\0\7\0"), (CLOSE,))
        else:
            yield Row(f"type {kind}, reason 0xff", 5, packet(kind, b"\0\7\xff"), WRONG)
            yield Row(f"type {kind}, bytes left over", 5, packet(kind, b"\0\7\0\0\0"), (MALFORMED,))
    if version == 5:
        for reason in (0x01, 0x05, 0x87, 0xff):
            yield Row(f"DISCONNECT {reason:02x}", 5, packet(DISCONNECT, bytes([reason])),
                      (CLOSE, *WRONG))
        yield Row("DISCONNECT asks for a session again", 5, packet(DISCONNECT, b"\0\5\x11\0\0\0\1"),
                  (PROTOCOL,))
    else:
        yield Row("DISCONNECT with a body", 4, packet(DISCONNECT, b"\0"), (CLOSE,))


def connects():
    for version in (4, 5):
        for what, data, ends in (
                ("reserved flag", connect(version, flags=3), refused(version, MALFORMED)),
                ("will of QoS 3", connect(version, flags=0x1e, rest=text(b"t") * 2),
                 refused(version, MALFORMED)),
                ("a will's QoS alone", connect(version, flags=0x0a), refused(version, MALFORMED)),
                ("a will's retain alone", connect(version, flags=0x22),
                 refused(version, MALFORMED)),
                ("a will that is not there", connect(version, flags=6),
                 refused(version, MALFORMED)),
                ("a user name that is not there", connect(version, flags=0x82),
                 refused(version, MALFORMED)),
                ("a password that is not there", connect(version, flags=0xc2, rest=text(b"u")),
                 refused(version, MALFORMED)),
                ("bytes left over", connect(version, rest=b"\0\1x"), refused(version, MALFORMED)),
                ("another protocol", connect(version, name=b"MQTX"), (CLOSE, 0x84)),
                ("no protocol", connect(version, name=b""), (CLOSE, 0x84)),
                ("a client id of 64 KiB", connect(version, client=b"c" * 65535), (0x85, 2))):
            yield Row(f"CONNECT: {what}", version, data, ends, connected=False)
    yield Row("CONNECT: password without user name", 4, connect(4, flags=0x42, rest=text(b"p")),
              (CLOSE,), False)
    for level in (0, 1, 2, 6, 0x84, 0xff):
        yield Row(f"CONNECT: level {level}", 4, connect(4)[:8] + bytes([level]) + connect(4)[9:],
                  (CLOSE, 1, 0x84), False)
    for what, block, reasons in (
            ("receive maximum 0", b"\x21\0\0", (PROTOCOL,)),
            ("maximum packet size 0", b"\x27\0\0\0\0", (PROTOCOL,)),
            ("request problem 2", b"\x17\2", WRONG), ("request response 2", b"\x19\2", WRONG),
            ("data without a method", b"\x16\0\1d", (PROTOCOL,)),
            ("an unknown method", b"\x15\0\1m", (0x8c,)),
            ("no room for CONNACK", b"\x27\0\0\0\2", (CLOSE,))):
        yield Row(f"CONNECT: {what}", 5, connect(5, properties=block), reasons, connected=False)


def properties():
    kinds = (CONNECT, 0, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE,
             DISCONNECT)
    for kind in kinds:
        first = kind in (CONNECT, 0)
        for number, (name, value, places) in PROPERTIES.items():
            what = f"{name} in type {kind}"
            one = bytes([number]) + value
            if kind not in places:
                yield Row(what, 5, with_properties(kind, one), WRONG, not first)
            elif number not in (0x26, 0x15, 0x16):
                yield Row(f"{what}, twice", 5, with_properties(kind, one * 2), WRONG, not first)
            yield Row(f"{what}, without its value", 5, with_properties(kind, one[:1]), WRONG,
                      not first)
            if len(value) > 1:
                yield Row(f"{what}, cut short", 5, with_properties(kind, one[:-1]), WRONG,
                          not first)
        for number in UNKNOWN_PROPERTIES:
            yield Row(f"property {number.hex()} in type {kind}", 5,
                      with_properties(kind, number + b"\1"), WRONG, not first)
