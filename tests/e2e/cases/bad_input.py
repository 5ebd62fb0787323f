"""Everything wrong gets the protocol's own refusal, a counter and a log line, and breaks nothing
else: the session lives unless MQTT says that it must not."""

import contextlib
import json
import time

import grpc

from homestack import bench_product, metrics
from homestack.api import Api, error_reason

import harness
import mqtt
from harness import Device, check, check_equal, eventually

NOT_AUTHORISED = {4: {4, 5}, 5: {0x86, 0x87}}


PROBLEMS = []


def run(arguments):
    """Goes through all rows and then names every one that was not as it should be."""
    with harness.stack(arguments.bin) as stack:
        for version in (4, 5):
            connects(stack, version)
            packets(stack, version)
            topics(stack, version)
        refused_twice(stack)
        refused_briefly(stack)
        too_large(stack)
        reports(stack)
        shadow_requests(stack)
        replies(stack)
        api_callers(stack)
        check(not PROBLEMS, f"{len(PROBLEMS)} rows:\n  " + "\n  ".join(PROBLEMS))


@contextlib.contextmanager
def counted(stack, what, reason, pod="gateway-0", line=None):
    """The block must raise the refusal counter of that reason and make `pod` write a line about it."""
    time.sleep(0.15)  # a pod writes at most ten such lines a second
    address = stack.registry.metrics if pod == "registry" else stack.gateways[int(pod[-1])].metrics

    def counters():
        page = metrics.scrape(address)
        return sum(page.total(n, reason=reason) for n in page.samples if n.endswith("_refusals_total"))

    def lines():
        return sum(1 for found in stack.log(pod).read_text(errors="replace").splitlines()
                   if (line or f"={reason}") in found)

    counted_before, lines_before = counters(), lines()
    for step in (None, lambda: counters() > counted_before, lambda: lines() > lines_before):
        try:
            if step is None:
                yield
            else:
                eventually(step, f"{what}: {pod} counts {reason} and writes a line about it", 3)
        except (harness.Failed, TimeoutError, mqtt.Closed) as problem:
            PROBLEMS.append(f"{what}: {problem}")


# ---- CONNECT ----

def connects(stack, version):
    address = stack.gateways[0].listen["mqtt"]
    username, password = harness.credentials(stack, "bad-1")
    key = stack.bench_fleet_key()
    unknown = "no.such.product/bad-1"
    for what, name, word, why in (
            ("unknown product", unknown, mqtt.fleet_password(unknown, key), "product_unknown"),
            ("wrong password", username, "0" * 64, "device_unknown"),
            ("another device's password", f"{bench_product.PRODUCT}/bad-2", password,
             "device_unknown"),
            ("no user name", None, None, "password_missing")):
        with counted(stack, f"CONNECT v{version} with {what}", why):
            client = mqtt.Client(address, version)
            _, code = client.connect("bad-1", name, word)
            check(code in NOT_AUTHORISED[version],
                  f"CONNECT v{version} with {what}: code {code:#x}")
            client.wait_closed()


def packets(stack, version):
    for what, kind, flags, body, reason, why in (
            ("a reserved packet type", 0, 0, b"", 0x81, "malformed_packet"),
            ("SUBSCRIBE with wrong flags", 8, 0, b"\x00\x01\x00\x00\x01a\x01", 0x81,
             "malformed_packet"),
            ("PUBLISH of QoS 3", 3, 6, b"\x00\x01a\x00\x01", 0x81, "malformed_packet"),
            ("an oversize packet", 3, 2, b"\x00\x01a\x00\x01" + bytes(300 * 1024), 0x95,
             "packet_too_large")):
        with counted(stack, f"{what}, v{version}", why, line="cause=CLIENT_ERROR"):
            device = Device(stack, "bad-packets", version=version)
            try:
                device.client.send(kind, flags, body)
            except OSError:
                pass  # closed while the packet was still being sent
            found = device.client.wait_closed()
        if version == 5 and found is not None:
            check_equal(hex(found), hex(reason), f"DISCONNECT after {what}")


def topics(stack, version):
    device = Device(stack, f"bad-topics-{version}", version=version)
    with counted(stack, f"SUBSCRIBE to another device's topic, v{version}",
                 "not_authorized"):
        codes = device.client.subscribe("device/somebody/down/set/+")
        check_equal([hex(c) for c in codes], ["0x80" if version == 4 else "0x87"], "SUBACK")
    device.client.ping()
    for topic in ("device/somebody/up/properties", "unknown/topic",
                  f"device/{device.id}/down/set/1"):
        with counted(stack, f"PUBLISH to {topic}, v{version}", "topic_not_authorized"):
            if version == 5:
                check_equal(hex(device.client.publish(topic, "{}")), "0x87", f"PUBACK for {topic}")
            else:
                publish_refused_v4(stack, device, topic)
                device = Device(stack, f"bad-topics-{version}", version=version)
    device.client.ping()


def refused_twice(stack):
    """QoS 2: the identifier of a refused PUBLISH is a new message's [MQTT-4.3.3-9]."""
    device = Device(stack, "bad-qos-2", version=5)
    topic = b"device/somebody/up/properties"
    for attempt in ("first", "second"):
        device.client.send(mqtt.PUBLISH, 4, bytes([0, len(topic)]) + topic + b"\0\7\0{}")
        answer = device.client.wait(5).body
        check_equal((answer[:2], hex(answer[2])), (b"\0\7", "0x87"), f"PUBREC of the {attempt}")
        check(b"topic" in answer[3:], "PUBREC says why")
    device.client.send(6, 2, b"\0\7")
    check_equal(hex(device.client.wait(7).body[2]), "0x92", "PUBCOMP of a refused message")


def refused_briefly(stack):
    """No reason string to a client that has no room for it, or wants none [MQTT-3.4.2-2]."""
    username, password = harness.credentials(stack, "bad-brief")
    for what, wish in (("room", b"\x27\0\0\0\x20"), ("reason strings", b"\x17\0")):
        client = mqtt.Client(stack.gateways[0].listen["mqtt"], 5)
        text = [len(t).to_bytes(2, "big") + t.encode() for t in ("MQTT", "bad-brief", username,
                                                                 password)]
        client.send(1, 0, text[0] + b"\5\xc2\0\x3c" + bytes([len(wish)]) + wish +
                    b"".join(text[1:]))
        check_equal(client.wait(mqtt.CONNACK).body[1], 0, f"CONNACK without {what}")
        topic = b"device/somebody/up/properties"
        client.send(mqtt.PUBLISH, 2, bytes([0, len(topic)]) + topic + b"\0\7\0{}")
        check_equal(client.wait(mqtt.PUBACK).body.rstrip(b"\0"), b"\0\7\x87", f"PUBACK without {what}")


def publish_refused_v4(stack, device, topic):
    """MQTT 3.1.1 has no way to refuse a publish: the server acknowledges and drops, or closes."""
    try:
        device.client.publish(topic, "{}")
    except mqtt.Closed:
        return
    device.client.ping()


# ---- payloads: the session lives, the answer says why ----

def reports(stack):
    device = Device(stack, "bad-reports")
    rows = (
        ("malformed JSON", '{"params":', None),
        ("no params", '{"id":1}', None),
        ("a value outside the model", one(2, 101), -704220043),
        ("a value of another type", one(2, '"high"'), -704220043),
        ("an unknown service", '{"params":[{"siid":9,"piid":1,"value":1}]}', -704040002),
        ("an unknown property", one(99, 1), -704040003))
    for what, payload, code in rows:
        with counted(stack, what, "model_violation" if code else "malformed_payload", "registry"):
            check_equal(device.report(payload), 0, f"PUBACK of a report with {what}")
            topic, answer = device.client.message()
            check_equal(topic, f"device/{device.id}/down/refused", f"answer to {what}")
            answer = json.loads(answer)
            check(answer["code"] < 0 and answer["message"], f"answer to {what}: {answer}")
            if code:
                check_equal([p["code"] for p in answer["params"]], [code], f"codes for {what}")
    device.report('{"params":[{"siid":2,"piid":1,"value":5},{"siid":2,"piid":2,"value":101}]}')
    device.client.message()
    check_equal(harness.reported(stack, device.id)[0], {"bench.value": 5},
                "the good part of a half good report")
    device.client.ping()


def one(piid, value):
    return f'{{"params":[{{"siid":2,"piid":{piid},"value":{value}}}]}}'


def shadow_requests(stack):
    device = Device(stack, "bad-shadow")
    prefix = f"$aws/things/{device.id}/shadow"
    device.client.subscribe(f"{prefix}/update/rejected", f"{prefix}/get/rejected")
    for payload, code in (("{", 400), ('{"no":"state"}', 400), ('{"state":5}', 400),
                          ('{"state":{"desired":{"a":1}},"version":77}', (400, 409)),
                          ('{"state":{"desired":{"a":"' + "x" * 70000 + '"}}}', 413)):
        reason = "shadow_too_large" if code == 413 else "shadow_rejected"
        with counted(stack, f"shadow update {payload[:40]}", reason, "registry"):
            device.client.publish(f"{prefix}/update", payload)
            topic, answer = device.client.message()
            check_equal(topic, f"{prefix}/update/rejected", payload[:40])
            found = json.loads(answer)["code"]
            check(found in (code if isinstance(code, tuple) else (code,)),
                  f"code for {payload[:40]}: {found}")
    device.client.publish(f"{prefix}/get", "")
    topic, answer = device.client.message()
    check_equal((topic, json.loads(answer)["code"]), (f"{prefix}/get/rejected", 404),
                "get of nothing")
    device.client.ping()


def replies(stack):
    """A reply nobody waits for, and one that is no JSON."""
    device = Device(stack, "bad-replies")
    for request, payload in (("nobody.1", '{"code":0}'), ("no-such-form", "{}")):
        check_equal(device.client.publish(f"device/{device.id}/up/reply/{request}", payload), 0,
                    f"PUBACK of a stray reply to {request}")
    device.client.ping()


# ---- gRPC ----

def api_callers(stack):
    from homeport.control.v1 import control_pb2
    device = Device(stack, "bad-calls", subscribe=False)
    device.report(one(1, 1))
    eventually(lambda: harness.reported(stack, device.id)[0], "the report is in the shadow")
    address = stack.gateways[0].listen["grpc"]
    good = stack.api.control(address)
    stranger = stack.tokens.issue("somebody", "user", tenant="another")
    expired = stack.tokens.issue("admin", "user", lifetime=-600)

    def control(token):
        return Api(stack.pki.ca_cert, token).control(address)

    def get(name):
        return lambda c: c.GetProperties(control_pb2.GetPropertiesRequest(name=name), timeout=5)

    def set_(prop, value):
        request = control_pb2.SetPropertiesRequest(name=device.name)
        item = request.properties.add()
        item.property.name, item.value.int_value = prop, value
        return lambda c: c.SetProperties(request, timeout=5)

    for what, stub, call, code, reason in (
            ("a token that is none", control("x"), get(device.name), "UNAUTHENTICATED",
             "TOKEN_INVALID"),
            ("an expired token", control(expired), get(device.name), "UNAUTHENTICATED",
             "TOKEN_EXPIRED"),
            ("another tenant's token", control(stranger), get(device.name), "PERMISSION_DENIED",
             "PERMISSION_DENIED"),
            ("a malformed name", good, get("devices/x"), "INVALID_ARGUMENT", "NAME_INVALID"),
            ("a device that is not there", good, get("tenants/-/devices/nobody"),
             "PERMISSION_DENIED", "PERMISSION_DENIED"),
            ("a value outside the model", good, set_("bench.level", 101), "INVALID_ARGUMENT",
             "MODEL_VIOLATION"),
            ("an unknown property", good, set_("bench.nothing", 1), "INVALID_ARGUMENT",
             "MODEL_VIOLATION"),
            ("a device that does not listen", good, set_("bench.value", 1), "FAILED_PRECONDITION",
             "DEVICE_NOT_LISTENING")):
        with counted(stack, what, reason):
            refused(what, stub, call, code, reason)


def refused(what, stub, call, code, reason):
    try:
        answer = call(stub)
    except grpc.RpcError as error:
        check_equal(error.code().name, code, f"{what}: status ({error.details()})")
        check_equal(error_reason(error), reason, f"{what}: reason")
        return
    raise harness.Failed(f"{what} was answered: {answer}")


def too_large(stack):
    """A packet over the limit is refused at its head; who goes on sending it can read why, and then the
    end of the connection rather than a reset."""
    device = Device(stack, "too-large", version=5)
    connection = device.client._socket
    said = b""
    try:
        connection.sendall(bytes([0x30]) + mqtt._length(1 << 20) + bytes(200 << 10))
        connection.sendall(bytes(100 << 10))
        while piece := connection.recv(4096):
            said += piece
    except (ConnectionResetError, BrokenPipeError) as error:
        raise harness.Failed(f"a packet over the limit: {error!r} after {said!r}") from None
    check(said[:1] == b"\xe0" and said[2:3] == b"\x95", f"why it is refused: {said!r}")
    device.client.close()
