"""Limits of clients and tenants: how often a client id may connect, the ban of one that flaps, also
between two gateways, a tenant's sessions and messages, and a session that is left where all are taken."""

import time

import harness
import mqtt
from harness import Device, check, check_equal, eventually
from homestack import metrics

RATE_EXCEEDED, QUOTA_EXCEEDED, UNAVAILABLE = 0x9F, 0x97, 3
REPORT = '{"params":[{"siid":2,"piid":1,"value":1}]}'


def run(context):
    settings = {"reactors": 1, "client-connects-per-second": 1, "client-connects-burst": 5,
                "flapping-connects": 0}
    with harness.stack(context.bin, gateways=1, gateway_settings=settings) as stack:
        too_fast(stack)
        keep_alive(stack)
        many_names(stack)
    settings = {"reactors": 1, "client-connects-per-second": 0, "flapping-connects": 20,
                "flapping-window-s": 600, "flapping-ban-s": 3}
    with harness.stack(context.bin, gateway_settings=settings) as stack:
        flapping(stack)
    settings = {"tenant-sessions-max": 5, "tenant-messages-per-second": 20}
    with harness.stack(context.bin, gateways=1, gateway_settings=settings) as stack:
        sessions_of_a_tenant(stack)
        messages_of_a_tenant(stack)
    with harness.stack(context.bin, gateways=1, gateway_settings={"memory-bytes-max": 1}) as stack:
        short_of_memory(stack)
    kept_at_the_limit(context)


def kept_at_the_limit(context):
    """Where every slot is taken, a session still outlives its connection."""
    settings = {"sessions-max": 2, "reactors": 1}
    with harness.stack(context.bin, gateways=1, profile="conformance",
                       gateway_settings=settings) as running:
        address = running.gateways[0].listen["mqtt"]
        keeper, other = mqtt.Client(address), mqtt.Client(address)
        keeper.connect("keeper", clean=False)
        keeper.subscribe("kept/x")
        other.connect("other")
        keeper.reset()
        away = lambda: metrics.scrape(running.gateways[0].metrics).total(
            "homeport_gateway_away_sessions")
        harness.eventually(lambda: away() == 1, "the session waits")
        other.publish("kept/x", "meanwhile")
        other.disconnect()

        def back():
            again = mqtt.Client(address)
            try:
                return again.connect("keeper", clean=False)[0] and again.message()
            except mqtt.Closed:  # the other's slot is not free yet
                return None
        harness.eventually(lambda: back() == ("kept/x", b"meanwhile"), "what came meanwhile")


def attempt(stack, name, gateway=0, version=5):
    """(the client, the code of CONNACK)."""
    client = mqtt.Client(stack.gateways[gateway].listen["mqtt"], version)
    return client, client.connect(name, *harness.credentials(stack, name))[1]


def refusals(stack, reason, gateway=0):
    page = metrics.scrape(stack.gateways[gateway].metrics)
    return page.total("homeport_gateway_refusals_total", reason=reason)


def keep_alive(stack):
    """Who is silent stays for one and a half keep-alives, whatever the part of the gateway's second in
    which it spoke last."""
    clients = []
    for number in range(10):
        client = mqtt.Client(stack.gateways[0].listen["mqtt"])
        name = f"silent-{number}"
        clients.append((client, time.monotonic()))
        client.connect(name, *harness.credentials(stack, name), keep_alive=2)
        time.sleep(0.1)  # the parts of a second
    for client, since in clients:
        client.wait_closed()
        stayed = time.monotonic() - since
        check(stayed > 2.9, f"a client with a keep-alive of 2 s was let go after {stayed:.2f} s")


def many_names(stack):
    """A device that calls itself something else each time leaves no more sessions than it may have
    clients."""
    device = "nameless"

    def connect(number):
        client = mqtt.Client(stack.gateways[0].listen["mqtt"])
        present, code = client.connect(f"{device}-{number}", *harness.credentials(stack, device),
                                       clean=False)
        check_equal(code, 0, "CONNECT")
        client.disconnect()
        return present

    def waiting():
        return metrics.scrape(stack.gateways[0].metrics).total("homeport_gateway_away_sessions")
    for number in range(10):
        connect(number)
        eventually(lambda: waiting() == min(number + 1, 8), f"sessions that wait after {number + 1}")
    check_equal(refusals(stack, "waiting_sessions_of_device"), 2, "those that were not kept")
    check_equal([connect(number) for number in (0, 7, 8, 9)], [1, 1, 0, 0], "those that are found")


def short_of_memory(stack):
    """Whoever comes is not let in, and the gateway goes on."""
    def is_refused():
        try:
            attempt(stack, "late")
        except (mqtt.Closed, ConnectionError):
            return True
        return False
    eventually(is_refused, "no more clients")
    check(refusals(stack, "memory_bytes_max") >= 1, "refusals are counted")


def too_fast(stack):
    """The burst goes through, whatever the time it takes; then comes the refusal, which leaves the
    session alone, and a second later or so the client may come again."""
    for version, refused in ((5, RATE_EXCEEDED), (4, UNAVAILABLE)):
        name = f"hasty-{version}"
        held = []
        codes = []
        while refused not in codes and len(codes) < 1000:
            client, code = attempt(stack, name, version=version)
            held += [client] if code == 0 else []
            codes.append(code)
        check_equal(codes[:5], [0] * 5, "CONNACK within the burst")
        check_equal(set(codes), {0, refused}, "CONNACK beyond it")
        held[-1].ping()
        eventually(lambda: attempt(stack, name, version=version)[1] == 0, "the client is let in")
        check(attempt(stack, f"calm-{version}")[1] == 0, "another client is let in")
    check(refusals(stack, "client_connects_per_second") >= 2, "refusals are counted")


def flapping(stack):
    """Two devices under one client id throw each other out, each on its own gateway, until the ban;
    the one that is there then stays."""
    name = "flapper"
    held = [None, None]
    codes = []
    while RATE_EXCEEDED not in codes and len(codes) < 100:
        turn = len(codes) % 2
        client, code = attempt(stack, name, turn)
        codes.append(code)
        if code == 0:
            held[turn], last = client, client
    check(20 <= len(codes) <= 24, f"{len(codes)} connects until the ban, of both gateways together")
    last.ping()
    check_equal(attempt(stack, name, (len(codes) - 1) % 2)[1], RATE_EXCEEDED, "CONNACK in the ban")
    check_equal(attempt(stack, "bystander")[1], 0, "CONNACK of another client")
    bans = sum(metrics.scrape(g.metrics).total("homeport_gateway_flapping_bans_total")
               for g in stack.gateways)
    check(bans >= 1, "bans are counted")
    check("event=client_banned" in stack.log("gateway-0").read_text()
          + stack.log("gateway-1").read_text(), "the ban is logged")
    eventually(lambda: attempt(stack, name, (len(codes) - 1) % 2)[1] == 0, "the ban ends")


def sessions_of_a_tenant(stack):
    held = [Device(stack, f"member-{i}", version=5, subscribe=False) for i in range(5)]
    check_equal(attempt(stack, "member-5")[1], QUOTA_EXCEEDED, "CONNACK beyond the quota")
    check_equal(attempt(stack, "member-5", version=4)[1], UNAVAILABLE, "… in 3.1.1")
    held.pop().client.disconnect()
    eventually(lambda: attempt(stack, "member-5")[1] == 0, "room for one more")
    check(refusals(stack, "tenant_sessions_max") >= 2, "refusals are counted")
    for device in held:
        device.client.disconnect()


def reports_at_once(device, count):
    """The codes of their PUBACKs."""
    for _ in range(count):
        device.client.publish(f"device/{device.id}/up/properties", REPORT, wait=False)
    answers = [device.client.wait(mqtt.PUBACK).body for _ in range(count)]
    return [answer[2] if len(answer) > 2 else 0 for answer in answers]


def messages_of_a_tenant(stack):
    """An MQTT 5 client is told; one of 3.1.1 waits, and all it was acknowledged is there."""
    eventually(lambda: metrics.scrape(stack.gateways[0].metrics)
               .total("homeport_gateway_sessions") == 0, "nobody is there")
    talker = Device(stack, "talker", version=5, subscribe=False)
    codes = []
    while QUOTA_EXCEEDED not in codes and len(codes) < 10_000:
        codes += reports_at_once(talker, 40)
    check_equal(set(codes), {0, QUOTA_EXCEEDED}, "PUBACK codes")
    talker.client.disconnect()
    patient = Device(stack, "patient", version=4, subscribe=False)
    for number in range(60):
        patient.client.publish("device/patient/up/properties",
                               f'{{"params":[{{"siid":2,"piid":1,"value":{number}}}]}}', wait=False)
    for _ in range(60):
        patient.client.wait(mqtt.PUBACK)
    eventually(lambda: harness.reported(stack, "patient") == ({"bench.value": 59}, 60),
               "each report of the patient client")
    check(refusals(stack, "tenant_messages_per_second") >= 2, "refusals are counted")
