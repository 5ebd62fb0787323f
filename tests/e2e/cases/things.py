"""Clients that share the shadows of things that are none of them: what a granted subscription
promises, wherever its client is connected, and what one connection may use."""

import json
import struct

import grpc

import harness
import mqtt
from harness import check, check_equal

ROUNDS = 25
CLIENTS = 100
THINGS = 120
LOOP_ROUNDS = 60  # twice what the registry allows in a window
NOT_AUTHORIZED = 0x87
CLIENT_ID_INVALID = 0x85


def run(arguments):
    settings = {"shadow-loop-window-ms": 60_000}
    with harness.stack(arguments.bin, profile="conformance", registry_settings=settings) as stack:
        told_once_granted(stack)
        many_clients(stack)
        many_things(stack)
        requests_are_messages(stack)
        every_thing(stack)
        subscription_identifier(stack)
        moved(stack)
        fight(stack)
        longest(stack)
        refusals(stack)
        over_grpc(stack)


def connect(stack, client_id, gateway=0, version=5):
    client = mqtt.Client(stack.gateways[gateway].listen["mqtt"], version)
    check_equal(client.connect(client_id)[1], 0, f"CONNECT of {client_id}")
    return client


def shadow(thing, rest):
    return f"$aws/things/{thing}/shadow/{rest}"


def update(section, **values):
    return json.dumps({"state": {section: values}})


def told_once_granted(stack):
    """Whoever has a SUBACK gets the answer to what is published behind it, by anyone, anywhere."""
    writer = connect(stack, "granted-writer")
    for turn in range(ROUNDS):
        for gateway in (0, 1):
            thing = f"granted-{turn}-{gateway}"
            reader = connect(stack, f"{thing}-reader", gateway)
            check_equal(reader.subscribe(shadow(thing, "update/accepted")), [1], thing)
            writer.publish(shadow(thing, "update"), update("reported", n=turn))
            check_equal(reader.message()[0], shadow(thing, "update/accepted"), thing)
            reader.disconnect()
    writer.disconnect()


def many_clients(stack):
    readers = [connect(stack, f"crowd-{i}", i % 2) for i in range(CLIENTS)]
    for reader in readers:
        check_equal(reader.subscribe(shadow("crowd", "update/documents")), [1], "SUBACK")
    writer = connect(stack, "crowd-writer")
    writer.publish(shadow("crowd", "update"), update("desired", on=True))
    for reader in readers:
        check_equal(reader.message()[0], shadow("crowd", "update/documents"), "every client")
        reader.disconnect()
    writer.disconnect()


def many_things(stack):
    """One connection after the other thing: those it has left make room."""
    client = connect(stack, "traveller")
    for i in range(THINGS):
        accepted = shadow(f"place-{i}", "get/rejected")
        check_equal(client.subscribe(accepted), [1], accepted)
        client.publish(shadow(f"place-{i}", "get"), "")
        check_equal(json.loads(client.message()[1])["code"], 404, accepted)
        client.unsubscribe(accepted)
    client.disconnect()


def requests_are_messages(stack):
    reader, writer = connect(stack, "listener", 1), connect(stack, "asker")
    check_equal(reader.subscribe(shadow("heard", "update"), shadow("heard", "#")), [1, 1], "SUBACK")
    asked = update("reported", n=1)
    writer.publish(shadow("heard", "update"), asked)
    got = sorted(reader.message() for _ in range(3))
    check_equal([topic for topic, _ in got],
                [shadow("heard", rest) for rest in ("update", "update/accepted",
                                                    "update/documents")], "each once")
    check_equal(got[0][1], asked.encode(), "the request as it was sent")
    reader.unsubscribe(shadow("heard", "update"), shadow("heard", "#"))
    writer.publish(shadow("heard", "update"), asked)
    reader.ping()
    check_equal(reader.subscribe(shadow("heard", "get/accepted")), [1], "SUBACK")
    writer.publish(shadow("heard", "get"), "")
    check_equal(reader.message()[0], shadow("heard", "get/accepted"), "nothing before it")
    for client in (reader, writer):
        client.disconnect()


def every_thing(stack):
    """Filters that name no one thing, and shared ones, bring what the shadow service says."""
    for i, (bad, wanted) in enumerate((
            ("$aws/things/+/shadow/update/accepted", 1), ("$aws/#", 3),
            ("$share/group/" + shadow("watched-2", "update/documents"), 1))):
        reader, writer = connect(stack, f"watcher-{i}", 1), connect(stack, f"watched-{i}-app")
        check_equal(reader.subscribe(bad), [1], bad)
        writer.publish(shadow(f"watched-{i}", "update"), update("reported", n=1))
        topics = {reader.message()[0] for _ in range(wanted)}
        check_equal(len(topics), wanted, bad)
        check(all(topic.startswith(shadow(f"watched-{i}", "update")) for topic in topics), topics)
        for client in (reader, writer):
            client.disconnect()


def subscription_identifier(stack):
    """[MQTT-3.3.4-3]"""
    client = connect(stack, "numbered")
    topic = shadow("numbered", "get/rejected")
    body = struct.pack(">H", 1) + bytes([2, 0x0B, 7])
    client.send(8, 2, body + struct.pack(">H", len(topic)) + topic.encode() + bytes([1]))
    client.wait(mqtt.SUBACK)
    client.publish(shadow("numbered", "get"), "")
    packet = client.wait(mqtt.PUBLISH)
    properties = packet.body[2 + len(topic) + 2:]
    check_equal(properties[:3], bytes([2, 0x0B, 7]), "the subscription's identifier")
    client.disconnect()
    # A filter of all things brings it once, with the identifier as well.
    client = connect(stack, "numbered")
    every = shadow("+", "get/rejected")
    client.send(8, 2, body + struct.pack(">H", len(every)) + every.encode() + bytes([1]))
    client.wait(mqtt.SUBACK)
    for _ in range(2):
        client.publish(shadow("numbered", "get"), "")
        packet = client.wait(mqtt.PUBLISH)
        properties = packet.body[2 + len(topic) + 2:]
        check_equal(properties[:3], bytes([2, 0x0B, 7]), "the identifier of every thing's")
    client.publish("numbered/end", "")
    client.subscribe("numbered/end")
    client.publish("numbered/end", "")
    check_equal(client.message()[0], "numbered/end", "no second copy")
    client.disconnect()


def moved(stack):
    """A client that moves leaves nothing behind where it was."""
    rows = "SELECT count(*) FROM device_session WHERE device = 'moving'"
    first = connect(stack, "mover", 0)
    check_equal(first.subscribe(shadow("moving", "update/accepted")), [1], "SUBACK")
    harness.eventually(lambda: stack.database.number(rows) == 1, "the thing knows of its client")
    second = connect(stack, "mover", 1)
    first.wait_closed()
    second.disconnect()
    harness.eventually(lambda: stack.database.number(rows) == 0, "nothing is left")


def fight(stack):
    """A device and an app that contradict each other for ever are stopped; one alone is not."""
    device, app = connect(stack, "fighter", 0), connect(stack, "fighter-app", 1)
    for client in (device, app):
        client.subscribe(shadow("fighter", "update/rejected"), shadow("fighter", "update/accepted"))
    refused = 0
    for turn in range(LOOP_ROUNDS):
        app.publish(shadow("fighter", "update"), update("desired", n=turn))
        for client in (device, app):
            refused += answer(client)
        device.publish(shadow("fighter", "update"), update("reported", n=-turn - 1))
        for client in (device, app):
            refused += answer(client)
    check(refused > 0, "the fight is refused")
    alone = connect(stack, "alone")
    alone.subscribe(shadow("alone", "update/rejected"), shadow("alone", "update/accepted"))
    for turn in range(LOOP_ROUNDS):
        for section, value in (("desired", turn), ("reported", -turn - 1)):
            alone.publish(shadow("alone", "update"), update(section, n=value))
            check_equal(answer(alone), 0, "nobody fights alone")
    for client in (device, app, alone):
        client.disconnect()


def answer(client):
    """1 for an update that was refused with 429, 0 for one that was accepted."""
    topic, payload = client.message()
    if topic.endswith("accepted"):
        return 0
    check_equal(json.loads(payload)["code"], 429, topic)
    return 1


def longest(stack):
    """The answer's topic would have more bytes than MQTT can say."""
    client = connect(stack, "long")
    check_equal(client.subscribe(shadow("long", "#")), [1], "SUBACK")
    start = shadow("long", "name/")
    for verb in ("update", "get", "delete"):
        topic = start + "n" * (65_535 - len(start) - len(verb) - 1) + "/" + verb
        check_equal(client.publish(topic, "{}"), 0, verb)
    client.publish(shadow("long", "get"), "")
    while client.message()[0] != shadow("long", "get/rejected"):
        pass
    client.disconnect()


def refusals(stack):
    """What nobody would answer is not granted."""
    client = connect(stack, "asking")
    for bad in ("$aws/things/a.b/shadow/get/accepted", f"$aws/things/{'x' * 129}/shadow/#",
                "$share/g/" + shadow("a b", "update/accepted")):
        check_equal(client.subscribe(bad), [NOT_AUTHORIZED], bad)
    check_equal(client.publish("$aws/things/a.b/shadow/get", ""), NOT_AUTHORIZED, "PUBACK")
    # Nobody answers in the shadow service's place.
    check_equal(client.subscribe(shadow("forged", "#"), "$aws/things/+/shadow/update/delta"), [1, 1],
                "SUBACK")
    for forged in ("update/delta", "get/accepted", "name/n/update/documents"):
        check_equal(client.publish(shadow("forged", forged), "{}"), NOT_AUTHORIZED, forged)
    client.publish(shadow("forged", "get"), "")
    check_equal(sorted(client.message()[0] for _ in range(2)),
                [shadow("forged", "get"), shadow("forged", "get/rejected")], "nothing but the truth")
    client.disconnect()
    reserved = mqtt.Client(stack.gateways[0].listen["mqtt"], 5)
    check_equal(reserved.connect("$reserved")[1], CLIENT_ID_INVALID, "a client id with a $")
    reserved.close()


def over_grpc(stack):
    """The same shadows, of things that nobody has registered, to the callers of the API."""
    from homeport.shadow.v1 import shadow_pb2 as pb
    shadows = stack.api.shadows(stack.registry.grpc)
    device = "tenants/-/devices/called"

    def error(call, request):
        try:
            return call(request, timeout=10)
        except grpc.RpcError as failure:
            return failure.code()

    classic = pb.GetShadowRequest(name=f"{device}/shadows/-")
    check_equal(error(shadows.GetShadow, classic), grpc.StatusCode.NOT_FOUND, "before")
    client = connect(stack, "called-app")
    client.subscribe(*(shadow("called", rest) for rest in (
        "update/accepted", "update/delta", "name/n/update/accepted", "delete/accepted")))
    client.publish(shadow("called", "update"), update("reported", n=1))
    client.message()
    read = shadows.GetShadow(classic, timeout=10)
    check_equal((read.version, json.loads(read.state_json)), (1, {"reported": {"n": 1}}), "read")
    shadows.UpdateShadow(pb.UpdateShadowRequest(name=classic.name, state_json='{"desired":{"n":2}}'),
                         timeout=10)
    check_equal([client.message()[0] for _ in range(2)],
                [shadow("called", "update/delta"), shadow("called", "update/accepted")], "heard")
    client.publish(shadow("called", "name/n/update"), update("reported", n=1))
    client.message()
    listed = shadows.ListNamedShadows(pb.ListNamedShadowsRequest(parent=device), timeout=10)
    check_equal([found.name.rsplit("/", 1)[1] for found in listed.shadows], ["n"], "listed")
    shadows.DeleteShadow(pb.DeleteShadowRequest(name=classic.name), timeout=10)
    check_equal(client.message()[0], shadow("called", "delete/accepted"), "heard, too")
    client.disconnect()
