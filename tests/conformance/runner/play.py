"""Plays live scripts against a gateway: one Player for each case and version."""

import select
import socket
import ssl
import time

import packets
import script

DEADLINE_S = 10.0
CLOSED = ("CLOSED", {})


class Mismatch(Exception):
    """The server did not do what the script says."""


class Connection:
    """A socket that yields packets."""

    def __init__(self, address, version, ca_file=None):
        host, port = address.rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)), DEADLINE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ca_file:
            context = ssl.create_default_context(cafile=str(ca_file))
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
        self._buffer = b""
        self.version = version

    def send(self, data):
        try:
            self._socket.sendall(data)
        except OSError:
            pass  # that the server has closed is for the script to expect

    def drop(self):
        """An end without DISCONNECT."""
        self._socket.close()

    def next(self, deadline):
        """(kind, keys) of the next packet, or CLOSED. TimeoutError when the deadline passes."""
        while True:
            packet = self._parse()
            if packet:
                return packet
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                raise TimeoutError
            try:
                data = self._socket.recv(65536)
            except OSError:
                data = b""
            if not data:
                if self._buffer:
                    raise packets.Malformed(f"closed inside a packet: {self._buffer.hex()}")
                return CLOSED
            self._buffer += data

    def _parse(self):
        size = used = 0
        for used in range(1, len(self._buffer)):
            byte = self._buffer[used]
            size |= (byte & 127) << 7 * (used - 1)
            if not byte & 128:
                break
        else:
            return None
        if len(self._buffer) < 1 + used + size:
            return None
        first, body = self._buffer[0], self._buffer[1 + used:1 + used + size]
        self._buffer = self._buffer[1 + used + size:]
        return packets.decode(first, body, self.version)


class Player:
    """Plays one case. `own` stands for `~` in its values, so that cases do not meet."""

    def __init__(self, addresses, case, version, own):
        self.addresses, self.case, self.version, self.own = addresses, case, version, own
        self.connections, self.variables = {}, {}
        self.since = self.said = time.monotonic()  # when the last step ended, and when one sent something

    def play(self):
        """Raises Mismatch with the place in the script."""
        steps = self.case.steps(self.version)
        try:
            index = 0
            while index < len(steps):
                index += self._play(steps, index)
                self.since = time.monotonic()
        finally:
            for connection in self.connections.values():
                connection.drop()

    def _play(self, steps, index):
        step = steps[index]
        try:
            if step.verb == "<*":
                group = [step]
                while index + len(group) < len(steps) and \
                        (steps[index + len(group)].verb, steps[index + len(group)].connection) == \
                        ("<*", step.connection):
                    group.append(steps[index + len(group)])
                self._expect_all(group)
                return len(group)
            {">": self._send, "<": self._expect, "drop": self._drop, "open": self._open,
             "pass": self._pass}[step.verb](step)
            return 1
        except TimeoutError:
            raise Mismatch(self._at(step) + "nothing came in time") from None
        except packets.Malformed as error:
            raise Mismatch(self._at(step) + str(error)) from None

    def _at(self, step):
        return (f"{self.case.file}.txt:{step.line} (version {self.version}) `{step.text}`: ")

    def _substitute(self, value):
        value = value.replace("~", self.own)
        for name, found in self.variables.items():
            value = value.replace("$" + name, found)
        return value

    # ---- steps ----

    def _open(self, step):
        gateway = int(step.keys.get("gateway", ["0"])[0])
        self.connections[step.connection] = Connection(self.addresses[gateway], self.version)

    def _connection(self, step):
        if step.connection not in self.connections:
            self.connections[step.connection] = Connection(self.addresses[0], self.version)
        return self.connections[step.connection]

    def _send(self, step):
        connection = self._connection(step)
        self.said = time.monotonic()
        version = self.version
        if step.what == "CONNECT":
            step.keys = dict(step.keys)
            version = step.keys.pop("version", [version])[0]
            connection.version = version
        connection.send(script.encode(step, connection.version, self._substitute))

    def _drop(self, step):
        self.said = time.monotonic()
        self.connections.pop(step.connection).drop()

    def _pass(self, step):
        time.sleep(float(step.what))

    def _expect(self, step):
        connection = self._connection(step)
        if step.what == "nothing":
            connection.send(b"\xc0\x00")
            found = self._next(connection)
            if found[0] != "PINGRESP":
                raise Mismatch(self._at(step) + f"found {_show(found)}")
        elif step.what == "refused":
            self._expect_refusal(step, connection)
        elif step.what == "close":
            self._match(step, self._next(connection, step), "CLOSED")
        else:
            self._match(step, self._next(connection, step), step.what)

    def _expect_refusal(self, step, connection):
        found = self._next(connection, step)
        if connection.version == "5" and "reason" in step.keys:
            self._match(step, found, "DISCONNECT")
            found = self._next(connection)
        self._match(step, found, "CLOSED", {})

    def _expect_all(self, group):
        """The packets of the group, in any order."""
        connection = self._connection(group[0])
        open_steps = list(group)
        while open_steps:
            found = self._next(connection)
            why = []
            for step in open_steps:
                problem = self._difference(step, found, step.what, step.keys)
                if not problem:
                    open_steps.remove(step)
                    break
                why.append(problem)
            else:
                raise Mismatch(self._at(open_steps[0]) + f"found {_show(found)}: {why[0]}")

    def _next(self, connection, step=None):
        within = float(step.keys["within"][0]) if step and "within" in step.keys else DEADLINE_S
        found = connection.next(self.since + within)
        if step and "after" in step.keys:
            passed = time.monotonic() - self.said
            if passed < float(step.keys["after"][0]):
                raise Mismatch(self._at(step) + f"{_show(found)} came after {passed:.2f} s already")
        return found

    # ---- comparison ----

    def _match(self, step, found, kind, keys=None):
        problem = self._difference(step, found, kind, step.keys if keys is None else keys)
        if problem:
            raise Mismatch(self._at(step) + f"found {_show(found)}: {problem}")

    def _difference(self, step, found, kind, keys):
        """What is wrong, "" when nothing is. A key that is not named has its usual value."""
        if found[0] != kind:
            return f"not {kind}"
        wanted = {key: values for key, values in keys.items() if key not in ("within", "after")}
        if kind == "PUBLISH":
            wanted = {"qos": ["0"], "dup": ["0"], "retain": ["0"], **wanted}
        elif "reason" in found[1] and kind != "DISCONNECT":
            # Whether somebody follows the topic is for the cases that say it.
            wanted = {"reason": ["00||10"] if kind == "PUBACK" else ["00"], **wanted}
        if kind == "CONNACK":
            wanted = {"session_present": ["0"], **wanted}
        bound = {}
        for key, values in wanted.items():
            problem = self._compare(key, values, found[1].get(key), bound)
            if problem:
                return problem
        self.variables.update(bound)
        return ""

    def _compare(self, key, values, found, bound):
        if values == ["-"]:
            return f"{key} is there" if found is not None else ""
        if found is None:
            return f"no {key}"
        if isinstance(found, list):
            wanted = [self._substitute(value) for value in values]
            same = wanted == found if key == "user" else sorted(wanted) == sorted(found)
            return "" if same else f"{key} is {found}"
        value = values[0]
        if value.startswith("$") and value[1:] not in self.variables:
            bound[value[1:]] = found
            return ""
        if value == "*":
            return ""
        if value.startswith("<=") or value.startswith(">="):
            limit = int(value[2:])
            fits = int(found) <= limit if value[0] == "<" else int(found) >= limit
            return "" if fits else f"{key} is {found}"
        wanted = [packets.show(packets.as_bytes(part)) if key in ("payload", "topic") else part
                  for part in self._substitute(value).split("||")]
        return "" if found in wanted else f"{key} is {found}"


def _show(found):
    kind, keys = found
    return " ".join([kind, *(f"{key}={value}" for key, value in keys.items())])
