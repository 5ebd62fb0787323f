"""What operators do with live sessions, each through the gateway that does not have them: look,
list, disconnect, publish with a wait for PUBACK, and find who is busy and who is slow."""

import concurrent.futures
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import grpc

from homestack.redis import RedisClient

import harness
import mqtt
from harness import check, check_equal, eventually

ADMINISTRATIVE_ACTION = 0x98


def run(arguments):
    settings = {"publishes-per-second": 0, "inflight-max": 4}
    with harness.stack(arguments.bin, gateway_settings=settings) as stack:
        look(stack)
        lists(stack)
        disconnect(stack)
        publish(stack)
        away(stack)
        busy_and_slow(stack)
        refusals(stack)
        no_part_of_a_list(stack)
        hung(stack)
    with harness.stack(arguments.bin, gateways=1,
                       gateway_settings={"reactors": 1, "session-calls-max": 2}) as stack:
        too_many_calls(stack)


def service(stack, gateway=1):
    return stack.api.sessions(stack.gateways[gateway].listen["grpc"])


def messages():
    from homeport.session.v1 import session_pb2
    return session_pb2


def name_of(device, client="-"):
    return f"tenants/default/devices/{device}/sessions/{client}"


def get(stack, device, client="-", gateway=1):
    return service(stack, gateway).GetSession(
        messages().GetSessionRequest(name=name_of(device, client)), timeout=10)


def reason_of(call):
    """The (status code, ErrorInfo reason) with which a call fails."""
    from homestack.api import error_reason
    try:
        call()
    except grpc.RpcError as error:
        return error.code().name, error_reason(error)
    raise harness.Failed("a call that was to fail succeeded")


def look(stack):
    """Every field, of one session, through both gateways."""
    device = harness.Device(stack, "looked-at", version=5)
    for number in range(3):
        check_equal(device.report('{"params":[{"siid":2,"piid":1,"value":%d}]}' % number), 0, "PUBACK")
    port = device.client._socket.getsockname()[1]
    for gateway in range(len(stack.gateways)):
        found = get(stack, "looked-at", gateway=gateway)
        pb = messages().Session
        check_equal(found.name, name_of("looked-at"), "its name")
        check_equal((found.device, found.client_id), ("looked-at", "looked-at"), "its ids")
        check_equal(found.product, harness.bench_product.PRODUCT, "its product")
        check_equal(found.state, pb.STATE_CONNECTED, "its state")
        check_equal(found.transport, pb.TRANSPORT_TCP, "its transport")
        check_equal(found.protocol_version, pb.PROTOCOL_VERSION_MQTT_5, "its version")
        check_equal(found.credential_kind, pb.CREDENTIAL_KIND_FLEET_KEY, "its credential")
        check_equal(found.peer_address, f"127.0.0.1:{port}", "its address")
        check_equal(found.keep_alive.seconds, 60, "its keep-alive")
        check_equal(sorted(s.filter for s in found.subscriptions),
                    sorted([*(f"device/looked-at/down/{verb}/+" for verb in ("get", "set", "action")),
                            "device/looked-at/down/refused"]), "its subscriptions")
        check_equal({(s.qos, s.own) for s in found.subscriptions}, {(1, True)}, "their QoS")
        check_equal(found.traffic.messages_from_client, 3, "what it has published")
        check(found.traffic.bytes_from_client > 100, "the bytes of that")
        check(found.epoch > 0 and found.pod.startswith("gateway-0"), f"its owner: {found}")
        check(found.connect_time.seconds > 0, "since when it is connected")
        check(not found.HasField("former_end"), "it had no former connection")
    client = device.client
    client._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()  # a reset
    eventually(lambda: reason_of(lambda: get(stack, "looked-at"))[1] == "SESSION_NOT_FOUND",
               "the end of the session")
    again = harness.Device(stack, "looked-at")
    found = get(stack, "looked-at")
    check_equal(found.former_end.reason, "CONNECTION_LOST", "how the former connection ended")
    check_equal(found.protocol_version, messages().Session.PROTOCOL_VERSION_MQTT_3_1_1, "its version")
    again.client.disconnect()


def lists(stack):
    pb = messages()
    devices = [harness.Device(stack, f"listed-{i}", gateway=i % 2) for i in range(7)]
    other = harness.Device(stack, "listed-0", client_id="listed-0/app", gateway=1)
    found, token, pages = [], "", 0
    while True:
        page = service(stack, 0).ListSessions(pb.ListSessionsRequest(
            parent="tenants/-", page_size=3, page_token=token), timeout=10)
        check(len(page.sessions) <= 3 and not page.unreachable, f"a page: {page}")
        found += page.sessions
        pages += 1
        token = page.next_page_token
        if not token:
            break
    check(pages >= 3, f"pages: {pages}")
    check_equal(sorted(s.name for s in found),
                sorted([*(name_of(f"listed-{i}") for i in range(7)),
                        name_of("listed-0", "listed-0%2Fapp")]), "the sessions of the tenant")
    check_equal({s.subscription_count for s in found}, {4}, "how many subscriptions")
    of_one = service(stack).ListSessions(pb.ListSessionsRequest(
        parent="tenants/-/devices/listed-0"), timeout=10)
    check_equal(sorted(s.client_id for s in of_one.sessions), ["listed-0", "listed-0/app"],
                "the sessions of a device")
    for parent in ("tenants/-", "tenants/-/devices/listed-0"):
        for wanted, more in (("PAGE_TOKEN_INVALID", {"page_token": "x"}),
                             ("FIELD_INVALID", {"page_size": -1})):
            check_equal(reason_of(lambda: service(stack).ListSessions(pb.ListSessionsRequest(
                parent=parent, **more), timeout=10)), ("INVALID_ARGUMENT", wanted), f"{parent} {more}")
    check_equal(reason_of(lambda: service(stack).ListTopTalkers(pb.ListTopTalkersRequest(
        parent="tenants/-", order=99), timeout=10)), ("INVALID_ARGUMENT", "FIELD_INVALID"),
        "an order that is none")
    for device in [*devices, other]:
        device.client.disconnect()


def disconnect(stack):
    pb = messages()
    for version, wanted in ((5, ADMINISTRATIVE_ACTION), (4, None)):
        device = harness.Device(stack, f"ended-{version}", version=version)
        service(stack).DisconnectSession(pb.DisconnectSessionRequest(
            name=name_of(f"ended-{version}"), reason="moved house"), timeout=10)
        check_equal(device.client.wait_closed(), wanted, f"DISCONNECT of MQTT version {version}")
        device = harness.Device(stack, f"ended-{version}", gateway=1)
        check_equal(get(stack, f"ended-{version}").former_end.reason, "API_INITIATED_DISCONNECT",
                    "how it ended")
        device.client.disconnect()
    lines = [line for line in stack.log("gateway-1").read_text().splitlines()
             if "event=session_disconnected" in line]
    check(len(lines) == 2 and all('reason="moved house"' in line for line in lines), f"{lines}")


def publish(stack):
    pb = messages()

    def send(device, topic="say", payload=b"hello", **more):
        return service(stack).PublishToSession(pb.PublishToSessionRequest(
            name=name_of(device), topic=topic, payload=payload, **more), timeout=20)

    device = harness.Device(stack, "told", version=5)
    # The client acknowledges when it reads.
    answers = []
    caller = threading.Thread(target=lambda: answers.append(send("told", qos=1)))
    caller.start()
    check_equal(device.client.message(), ("say", b"hello"), "a direct message")
    caller.join()
    check_equal(answers[0].reason_code, 0, "its PUBACK")
    send("told", qos=0, payload=b"unacknowledged", response_topic="say/back",
         correlation_data=b"7", user_properties=[pb.UserProperty(name="by", value="ops")])
    check_equal(device.client.message(), ("say", b"unacknowledged"), "a direct message of QoS 0")
    for seconds in (-1, 100):
        check_equal(reason_of(lambda: send("told", qos=1, timeout={"seconds": seconds})),
                    ("INVALID_ARGUMENT", "FIELD_INVALID"), f"a timeout of {seconds} s")
    # Nobody reads: the calls time out, and fill the client's window. The client has all of `timeout`:
    # the way between the pods is not taken off it.
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(4) as callers:
        calls = [callers.submit(reason_of, lambda: send("told", qos=1, timeout={"seconds": 2}))
                 for _ in range(4)]
    for call in calls:
        check_equal(call.result(), ("DEADLINE_EXCEEDED", "PUBACK_TIMED_OUT"), "no PUBACK")
    check(time.monotonic() - begun >= 2, "the client has had the time it was given")
    found = get(stack, "told")
    check_equal((found.in_flight_to_client, found.queued_bytes), (4, 20), "its window")
    check_equal(reason_of(lambda: send("told", qos=1)), ("RESOURCE_EXHAUSTED", "WINDOW_FULL"),
                "a full window")
    # The end of the connection ends the wait.
    other = harness.Device(stack, "leaves", version=5)
    failures = []
    caller = threading.Thread(target=lambda: failures.append(reason_of(
        lambda: send("leaves", qos=1, timeout={"seconds": 15}))))
    caller.start()
    eventually(lambda: get(stack, "leaves").in_flight_to_client == 1, "the message under way")
    other.client.disconnect()
    caller.join()
    check_equal(failures, [("ABORTED", "SESSION_ENDED")], "an end before PUBACK")
    for topic in ("a/+", "", "$aws/things/told/shadow/get/accepted"):
        check_equal(reason_of(lambda: send("told", topic=topic)),
                    ("INVALID_ARGUMENT", "TOPIC_INVALID"), topic)
    check_equal(reason_of(lambda: send("nobody")), ("PERMISSION_DENIED", "PERMISSION_DENIED"),
                "a device that is not there")
    device.client.disconnect()
    to_mosquitto(stack, send)


def to_mosquitto(stack, send):
    """A foreign client acknowledges, too."""
    if not shutil.which("mosquitto_sub"):
        return
    host, port = stack.gateways[0].listen["mqtt"].rsplit(":", 1)
    user, password = harness.credentials(stack, "foreign")
    client = subprocess.Popen(
        ["stdbuf", "-oL", "mosquitto_sub", "-h", host, "-p", port, "-V", "5", "-i", "foreign",
         "-u", user, "-P", password, "-q", "1", "-t", "device/foreign/down/#", "-C", "1",
         "-F", "%t %p", "-d"], stdout=subprocess.PIPE, text=True)
    for line in client.stdout:
        if line.startswith("Subscribed"):
            break
    check_equal(send("foreign", topic="device/foreign/down/say", qos=1).reason_code, 0, "PUBACK")
    output, _ = client.communicate(timeout=10)
    check("device/foreign/down/say hello" in output, f"mosquitto_sub has it: {output}")


def waiting(stack, device):
    """The session of a client that is away; None while it changes hands."""
    try:
        found = get(stack, device)
    except grpc.RpcError as error:
        check(error.code() in (grpc.StatusCode.ABORTED, grpc.StatusCode.NOT_FOUND), str(error))
        return None
    return found if found.state == messages().Session.STATE_AWAY else None


def away(stack):
    """A session whose client is away is there to be seen, and nothing else."""
    pb = messages()
    client = mqtt.Client(stack.gateways[0].listen["mqtt"])
    user, password = harness.credentials(stack, "sleeper")
    client.connect("sleeper", user, password, clean=False)
    client.subscribe("device/sleeper/down/#")
    eventually(lambda: stack.database.number("SELECT count(*) FROM device WHERE id = 'sleeper'"),
               "the device is registered")
    client.disconnect()
    found = eventually(lambda: waiting(stack, "sleeper"), "the session that waits")
    check_equal([s.filter for s in found.subscriptions], ["device/sleeper/down/#"], "what it keeps")
    check(found.expire_time.seconds > 0 and not found.HasField("connect_time"), f"{found}")
    for call in (lambda: service(stack).PublishToSession(pb.PublishToSessionRequest(
            name=name_of("sleeper"), topic="say", qos=1), timeout=10),
                 lambda: service(stack).DisconnectSession(pb.DisconnectSessionRequest(
                     name=name_of("sleeper")), timeout=10)):
        check_equal(reason_of(call), ("FAILED_PRECONDITION", "SESSION_OFFLINE"), "an absent client")
    listed = service(stack).ListSessions(pb.ListSessionsRequest(
        parent="tenants/-/devices/sleeper"), timeout=10)
    check_equal([s.state for s in listed.sessions], [pb.Session.STATE_AWAY], "the device's sessions")
    # The record of its last connection, to a gateway that has died, does not hide it.
    with RedisClient(stack.redis.socket) as redis:
        redis.call("HSET", "hp:{d:sleeper}:sess", "gateway-9-dead.0 1", found.epoch)
        check_equal(get(stack, "sleeper").state, pb.Session.STATE_AWAY, "the adopted session")
        redis.call("HDEL", "hp:{d:sleeper}:sess", "gateway-9-dead.0 1")


def busy_and_slow(stack):
    pb = messages()
    # Many small messages, few large ones, on different gateways.
    chatty, bulky = harness.Device(stack, "chatty", gateway=0), harness.Device(stack, "bulky", gateway=1)
    for _ in range(40):
        chatty.client.publish("device/chatty/up/telemetry/x", "1")
    for _ in range(10):
        bulky.client.publish("device/bulky/up/telemetry/x", "1" * 20_000)

    def top(order, **more):
        return [s.device for s in service(stack).ListTopTalkers(pb.ListTopTalkersRequest(
            parent="tenants/-", order=order, **more), timeout=10).sessions]

    check_equal(top("ORDER_MESSAGES")[:2], ["chatty", "bulky"], "top talkers by messages")
    check_equal(top("ORDER_BYTES")[:2], ["bulky", "chatty"], "top talkers by bytes")
    check_equal(top("ORDER_BYTES", page_size=1), ["bulky"], "the top talker")
    # Two that do not acknowledge: what waits for the one is larger.
    slow = {"slow": harness.Device(stack, "slow", gateway=0),
            "slower": harness.Device(stack, "slower", gateway=1)}
    with concurrent.futures.ThreadPoolExecutor(2) as callers:
        calls = [callers.submit(reason_of, lambda device=device, size=size: service(stack).PublishToSession(
            pb.PublishToSessionRequest(name=name_of(device), topic="say", payload=b"x" * size, qos=1,
                                       timeout={"seconds": 15}), timeout=20))
                 for device, size in (("slow", 100), ("slower", 5000))]
        eventually(lambda: all(get(stack, device).in_flight_to_client == 1 for device in slow),
                   "the messages under way")
        found = service(stack).ListSlowConsumers(pb.ListSlowConsumersRequest(parent="tenants/-"),
                                                 timeout=10)
        for device in (chatty, bulky, *slow.values()):
            device.client.disconnect()
    check_equal([(s.device, s.queued_bytes) for s in found.sessions],
                [("slower", 5000), ("slow", 100)], "slow consumers")
    for call in calls:
        check_equal(call.result(), ("ABORTED", "SESSION_ENDED"), "an end before PUBACK")


def refusals(stack):
    pb = messages()
    device = harness.Device(stack, "private")
    stranger = stack.tokens.issue("stranger", "operator", tenant="other")
    user = stack.tokens.issue("phone", "user")
    from homestack.api import Api
    for token, wanted in ((stranger, "PERMISSION_DENIED"), (user, "PERMISSION_DENIED")):
        api = Api(stack.pki.ca_cert, token)
        sessions = api.sessions(stack.gateways[1].listen["grpc"])
        for parent in ("default", "-"):
            check_equal(reason_of(lambda: sessions.GetSession(pb.GetSessionRequest(
                name=f"tenants/{parent}/devices/private/sessions/-"), timeout=10))[0], wanted,
                "a session of another tenant")
        check_equal(reason_of(lambda: sessions.ListSessions(pb.ListSessionsRequest(
            parent="tenants/default"), timeout=10))[0], wanted, "another tenant's sessions")
        api.close()
    api = Api(stack.pki.ca_cert, stranger)
    empty = api.sessions(stack.gateways[0].listen["grpc"]).ListSessions(
        pb.ListSessionsRequest(parent="tenants/-"), timeout=10)
    check_equal(list(empty.sessions), [], "what a stranger sees")
    claim_of_another_tenant(stack, api)
    api.close()
    check_equal(reason_of(lambda: service(stack).GetSession(pb.GetSessionRequest(
        name="tenants/-/devices/private"), timeout=10)), ("INVALID_ARGUMENT", "NAME_INVALID"),
        "a name of another form")
    device.client.disconnect()


def claim_of_another_tenant(stack, api):
    """A claim is no device, so it is its session that knows whose it is."""
    pb = messages()
    client = mqtt.Client(stack.gateways[0].listen["mqtts"], 5, ca_file=stack.pki.ca_cert,
                         certificate=(stack.pki.claim_cert, stack.pki.claim_key))
    client.connect("factory")
    found = eventually(lambda: [s for s in service(stack).ListSessions(pb.ListSessionsRequest(
        parent="tenants/-"), timeout=10).sessions if s.client_id == "factory"], "its session")
    check_equal(found[0].credential_kind, pb.Session.CREDENTIAL_KIND_CLAIM_CERTIFICATE, "a claim's")
    name = found[0].name.replace("tenants/default", "tenants/-")
    for gateway in range(2):
        sessions = api.sessions(stack.gateways[gateway].listen["grpc"])
        for call in (lambda: sessions.GetSession(pb.GetSessionRequest(name=name), timeout=10),
                     lambda: sessions.DisconnectSession(pb.DisconnectSessionRequest(name=name),
                                                        timeout=10)):
            check_equal(reason_of(call), ("NOT_FOUND", "SESSION_NOT_FOUND"), "a stranger's claim")
    client.disconnect()


def no_part_of_a_list(stack):
    """Where Redis does not say where one of the sessions is, there is no list."""
    app = harness.Device(stack, "partly", gateway=0, client_id="partly/app")
    with RedisClient(stack.redis.socket) as redis:
        redis.call("SET", "hp:{d:partly}:kept:partly", "not a hash")
        check_equal(reason_of(lambda: service(stack).ListSessions(messages().ListSessionsRequest(
            parent="tenants/-/devices/partly"), timeout=10)), ("UNAVAILABLE", "REDIS_UNAVAILABLE"),
            "a list of which a part is missing")
        redis.call("DEL", "hp:{d:partly}:kept:partly")
    app.client.disconnect()


def hung(stack):
    """A gateway that stands still: what asks for its sessions is told so within the caller's time, and
    what asks for others waits a second for it."""
    there = harness.Device(stack, "there", gateway=0)
    here = harness.Device(stack, "here", gateway=1)
    get(stack, "there"), get(stack, "here")  # by now the registry is not asked any more
    os.kill(stack.pid("gateway-0"), signal.SIGSTOP)
    try:
        found = None
        try:
            service(stack).GetSession(messages().GetSessionRequest(name=name_of("there")), timeout=2)
        except grpc.RpcError as error:
            found = error
        check(found is not None and found.code() == grpc.StatusCode.UNAVAILABLE,
              f"the session of a gateway that stands still: {found}")
        check("gateway pod gateway-0" in found.details(), f"which one: {found.details()}")
        begun = time.monotonic()
        get(stack, "here")
        took = time.monotonic() - begun
        check(0.5 < took < 5, f"the session of another, after {took:.2f} s")
    finally:
        os.kill(stack.pid("gateway-0"), signal.SIGCONT)
    there.client.close()
    here.client.disconnect()


def too_many_calls(stack):
    """An overloaded gateway gives no lists, rather than ones that name it as unreachable."""
    pb = messages()
    device = harness.Device(stack, "mute", version=5)
    calls = service(stack, 0)
    with concurrent.futures.ThreadPoolExecutor(2) as callers:
        waits = [callers.submit(reason_of, lambda: calls.PublishToSession(pb.PublishToSessionRequest(
            name=name_of("mute"), topic="say", qos=1, timeout={"seconds": 15}), timeout=20))
                 for _ in range(2)]
        for _ in range(2):  # both messages are under way
            device.client.read(10)
        for call in (lambda: calls.ListSessions(pb.ListSessionsRequest(parent="tenants/-"), timeout=10),
                     lambda: calls.ListSessions(pb.ListSessionsRequest(
                         parent="tenants/-/devices/mute"), timeout=10),
                     lambda: calls.ListTopTalkers(pb.ListTopTalkersRequest(parent="tenants/-"),
                                                  timeout=10)):
            check_equal(reason_of(call), ("RESOURCE_EXHAUSTED", "TOO_MANY_CALLS"), "no list")
        device.client.disconnect()
    for wait in waits:
        check_equal(wait.result(), ("ABORTED", "SESSION_ENDED"), "an end before PUBACK")
