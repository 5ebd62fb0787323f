"""CBOR (RFC 8949), as much as devices need: integers, text, booleans, null, lists, maps."""

import struct


def encode(value):
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, str):
        data = value.encode()
        return _head(3, len(data)) + data
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(encode(element) for element in value)
    return _head(5, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())


def decode(data):
    """The one value that the bytes hold."""
    value, rest = _item(data)
    assert not rest, f"{len(rest)} bytes behind the value"
    return value


def _head(major, number):
    if number < 24:
        return bytes([major << 5 | number])
    for info, form in ((24, ">B"), (25, ">H"), (26, ">I"), (27, ">Q")):
        if number < 1 << 8 * struct.calcsize(form):
            return bytes([major << 5 | info]) + struct.pack(form, number)
    raise ValueError(number)


def _item(data):
    major, info = data[0] >> 5, data[0] & 31
    width = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
    number = int.from_bytes(data[1:1 + width], "big") if width else info
    head, data = data[:1 + width], data[1 + width:]
    if major == 0:
        return number, data
    if major == 1:
        return -1 - number, data
    if major == 3:
        return data[:number].decode(), data[number:]
    if major == 4:
        found = []
        for _ in range(number):
            element, data = _item(data)
            found.append(element)
        return found, data
    if major == 5:
        found = {}
        for _ in range(number):
            key, data = _item(data)
            found[key], data = _item(data)
        return found, data
    return {b"\xf4": False, b"\xf5": True, b"\xf6": None}[head], data
