"""AWS IoT's lifecycle events: clients on two gateways come, go, subscribe and unsubscribe, and
whoever of their tenant may follow them hears of it, on either gateway."""

import json
import time

from homestack import metrics
from homestack.redis import RedisClient

import harness
import mqtt
from cases.topic_policy import policy
from harness import check, check_equal, eventually

PRODUCT = "test.watcher.one"
OTHER_PRODUCT = "test.stranger.one"
NOT_AUTHORIZED = 0x87
PRESENCE = "$aws/events/presence"
DEAD_SECONDS = 45  # two leases, and the sweeper's rounds
LEASE_MS = 10_000
SUBSCRIPTIONS = "$aws/events/subscriptions"


def run(arguments):
    with harness.stack(arguments.bin) as stack:
        watchers = [follow(stack, gateway) for gateway in range(2)]
        stranger = other_tenant(stack)
        come_and_go(stack, watchers)
        takeover(stack, watchers)
        ended_by_an_operator(stack, watchers)
        subscriptions(stack, watchers)
        hears_its_own(stack, *stranger)
        refusals(stack)
        outlives_its_gateway(stack)
        gateway_dies(stack, watchers)
        for watcher in watchers[:1]:
            watcher.client.disconnect()


class Watcher:
    """A client that follows events, and reads them as they come."""

    def __init__(self, client):
        self.client = client

    def event(self, kind, client):
        """The next event of that kind about that client; others are dropped."""
        while True:
            topic, payload = self.client.message(15)
            event = json.loads(payload)
            check(topic.endswith(f"/{event['eventType']}/{event['clientId']}"), f"{topic}: {event}")
            if (event["eventType"], event["clientId"]) == (kind, client):
                return topic, event

    def events_of(self, kind, clients):
        """The next event of that kind about each of those clients, who may live on different reactors
        and so be told of in any order; others are dropped."""
        found = {}
        while set(found) < set(clients):
            _, payload = self.client.message(15)
            event = json.loads(payload)
            if event["eventType"] == kind and event["clientId"] in clients:
                found[event["clientId"]] = event
        return found


def create_product(stack, product, api, tenant="default"):
    from homeport.product.v1 import product_pb2
    products = api.products(stack.registry.grpc)
    products.CreateProduct(product_pb2.CreateProductRequest(
        parent=f"tenants/{tenant}", product_id=product, product=product_pb2.Product(
            allow_unregistered=True,
            topic_policy=policy(("ALLOW", "SUBSCRIBE", ["$aws/events/#", "room/#"])))), timeout=10)
    return products.GetFleetKey(product_pb2.GetFleetKeyRequest(
        name=f"tenants/{tenant}/products/{product}"), timeout=10).fleet_key


def connect(stack, product, key, device, gateway):
    client = mqtt.Client(stack.gateways[gateway].listen["mqtt"], 5)
    username = f"{product}/{device}"
    check_equal(client.connect(device, username, mqtt.fleet_password(username, key))[1], 0,
                f"CONNECT of {device}")
    return client


def follow(stack, gateway):
    key = getattr(stack, "watch_key", None)
    if key is None:
        key = stack.watch_key = create_product(stack, PRODUCT, stack.api)
    watcher = Watcher(connect(stack, PRODUCT, key, f"watcher-{gateway}", gateway))
    check_equal(watcher.client.subscribe("$aws/events/#"), [1], "SUBACK of the watcher")

    # Other gateways tell theirs within a second.
    def is_told():
        for other in range(2):
            harness.Device(stack, f"probe-{other}", gateway=other, subscribe=False).client.disconnect()
        watcher.client.ping()
        told = {watcher.client.split(p)[0] for p in watcher.client._waiting
                if p.kind == mqtt.PUBLISH}
        return told >= {f"{PRESENCE}/disconnected/probe-{other}" for other in range(2)}

    eventually(is_told, "events of both gateways")
    return watcher


def other_tenant(stack):
    from homestack.api import Api
    api = Api(stack.pki.ca_cert, stack.tokens.issue("stranger", "operator", tenant="other"))
    key = create_product(stack, OTHER_PRODUCT, api, "other")
    api.close()
    client = connect(stack, OTHER_PRODUCT, key, "stranger", 0)
    check_equal(client.subscribe("$aws/events/presence/+/came", "$aws/events/+/+/moved",
                                 "$share/g/$aws/events/+/+/listens",
                                 f"{PRESENCE}/connected/own"), [1, 1, 1, 1], "SUBACK")
    return client, key


def hears_its_own(stack, client, key):
    """Events of its own tenant, and before them none of another."""
    connect(stack, OTHER_PRODUCT, key, "own", 1).disconnect()
    check_equal(client.message()[0], f"{PRESENCE}/connected/own", "what another tenant's client hears")


def come_and_go(stack, watchers):
    device = harness.Device(stack, "came", gateway=0, subscribe=False)
    connected = [watcher.event("connected", "came") for watcher in watchers]
    check_equal(connected[0], connected[1], "what both gateways tell")
    topic, event = connected[0]
    check_equal(topic, f"{PRESENCE}/connected/came", "its topic")
    check_equal(set(event), {"clientId", "timestamp", "eventType", "sessionIdentifier",
                             "principalIdentifier", "versionNumber", "ipAddress"}, "its fields")
    check_equal((event["ipAddress"], len(event["sessionIdentifier"]), event["principalIdentifier"]),
                ("127.0.0.1", 32, f"{harness.bench_product.PRODUCT}/came"), f"{event}")
    device.client.disconnect()
    gone = check_gone(watchers, event, "CLIENT_INITIATED_DISCONNECT")
    check_equal(set(gone), {"clientId", "timestamp", "eventType", "sessionIdentifier",
                            "principalIdentifier", "versionNumber", "clientInitiatedDisconnect",
                            "disconnectReason"}, "its fields")
    device = harness.Device(stack, "came", gateway=1, subscribe=False)
    again = [watcher.event("connected", "came")[1] for watcher in watchers][0]
    check(again["versionNumber"] > event["versionNumber"], "a version that rises")
    device.client.close()
    check_gone(watchers, again, "CONNECTION_LOST")


def check_gone(watchers, connected, reason):
    for watcher in watchers:
        topic, event = watcher.event("disconnected", connected["clientId"])
        check_equal(topic, f"{PRESENCE}/disconnected/{connected['clientId']}", "its topic")
        check_equal(event["disconnectReason"], reason, "why it has gone")
        check_equal(event["clientInitiatedDisconnect"], reason == "CLIENT_INITIATED_DISCONNECT",
                    "by whom")
        for field in ("versionNumber", "sessionIdentifier", "principalIdentifier"):
            check_equal(event[field], connected[field], f"{field} of one connection")
    return event


def takeover(stack, watchers):
    former = harness.Device(stack, "moved", gateway=0, subscribe=False)
    first = [watcher.event("connected", "moved")[1] for watcher in watchers][0]
    second = harness.Device(stack, "moved", gateway=1, subscribe=False)
    for watcher in watchers:
        # In whatever order: the version says which is newer.
        told = {}
        while len(told) < 2:
            topic, payload = watcher.client.message(15)
            if topic.endswith("/moved"):
                event = json.loads(payload)
                told[event["eventType"]] = event
        check_equal(told["disconnected"]["disconnectReason"], "DUPLICATE_CLIENTID", "the older end")
        check_equal(told["disconnected"]["versionNumber"], first["versionNumber"], "its version")
        check(told["connected"]["versionNumber"] > first["versionNumber"], "the newer one's version")
    former.client.close()
    second.client.disconnect()


def ended_by_an_operator(stack, watchers):
    from homeport.session.v1 import session_pb2
    device = harness.Device(stack, "thrown-out", gateway=0, subscribe=False)
    connected = [watcher.event("connected", "thrown-out")[1] for watcher in watchers][0]
    stack.api.sessions(stack.gateways[1].listen["grpc"]).DisconnectSession(
        session_pb2.DisconnectSessionRequest(name="tenants/-/devices/thrown-out/sessions/-"),
        timeout=10)
    check_gone(watchers, connected, "API_INITIATED_DISCONNECT")
    device.client.close()


def subscriptions(stack, watchers):
    client = connect(stack, PRODUCT, stack.watch_key, "listens", 1)
    check_equal(client.subscribe("room/1", "device/listens/down/#", "forbidden"),
                [1, 1, NOT_AUTHORIZED], "SUBACK")
    for watcher in watchers:
        topic, event = watcher.event("subscribed", "listens")
        check_equal(topic, f"{SUBSCRIPTIONS}/subscribed/listens", "its topic")
        check_equal(event["topics"], ["room/1", "device/listens/down/#"], "what was granted")
        check_equal(set(event), {"clientId", "timestamp", "eventType", "sessionIdentifier",
                                 "principalIdentifier", "topics"}, "its fields")
    client.unsubscribe("room/1", "room/2")
    for watcher in watchers:
        topic, event = watcher.event("unsubscribed", "listens")
        check_equal((topic, event["topics"]), (f"{SUBSCRIPTIONS}/unsubscribed/listens", ["room/1"]),
                    "what was given up")
    client.disconnect()


def outlives_its_gateway(stack):
    """Whenever a gateway dies, events go on until another one has adopted its followers' sessions:
    two leases later."""
    with RedisClient(stack.redis.socket) as redis:
        until = time.monotonic() + 0.7 * LEASE_MS / 1000  # more than from one renewal to the next
        while time.monotonic() < until:
            left = redis.call("PTTL", "hp:events")
            check(left >= 2.4 * LEASE_MS, f"the key that says so ends in {left} ms")
            time.sleep(0.1)


def gateway_dies(stack, watchers):
    """Its sessions have ended, which is told of each once; but of a client that is back elsewhere its
    newer connection tells."""
    watcher = watchers[0]
    fall_asleep(stack, gateway=1)
    left = harness.Device(stack, "left", gateway=1, subscribe=False)
    app = harness.Device(stack, "left", gateway=1, client_id="left/app", subscribe=False)
    back = harness.Device(stack, "back", gateway=1, subscribe=False)
    connected = watcher.events_of("connected", ("left", "left/app", "back"))
    # A gateway takes news of its newest connections with it, which waits a moment for company.
    eventually(lambda: stack.database.number(
        "SELECT count(*) FROM device_session WHERE device IN ('left', 'back', 'watcher-1')") == 4,
               "the registry knows of the sessions")
    stack.kill("gateway-1")
    back = harness.Device(stack, "back", gateway=0, subscribe=False)
    newer = watcher.event("connected", "back")[1]
    gone = {}
    deadline = time.monotonic() + DEAD_SECONDS
    while len(gone) < 3 and time.monotonic() < deadline:
        topic, payload = watcher.client.message(DEAD_SECONDS)
        if topic.startswith(f"{PRESENCE}/disconnected/"):
            event = json.loads(payload)
            check(event["clientId"] not in gone, f"told twice: {event}")
            gone[event["clientId"]] = event
    check_equal(set(gone), {"left", "left/app", "watcher-1"}, "whose ends are told")
    for name in ("left", "left/app"):
        for field in ("sessionIdentifier", "principalIdentifier", "versionNumber"):
            check_equal(gone[name][field], connected[name][field], f"{field} of {name}")
        check_equal((gone[name]["disconnectReason"], gone[name]["clientInitiatedDisconnect"]),
                    ("SERVER_ERROR", False), f"{gone[name]}")
    check(newer["versionNumber"] > connected["back"]["versionNumber"], "the newer one's version")
    # Behind all that is told of the dead one.
    back.client.disconnect()
    check_equal(watcher.event("disconnected", "back")[1]["versionNumber"], newer["versionNumber"],
                "the only end of a client that came back")
    for device in (left, app):
        device.client.close()
    awake(stack, gateway=0)


def counted(stack, what):
    return sum(metrics.scrape(gateway.metrics).total(f"homeport_gateway_{what}_total")
               for gateway in stack.gateways)


def fall_asleep(stack, gateway):
    """A client that is away follows what happens to one device."""
    client = mqtt.Client(stack.gateways[gateway].listen["mqtt"])
    username = f"{PRODUCT}/sleeper"
    client.connect("sleeper", username, mqtt.fleet_password(username, stack.watch_key), clean=False)
    check_equal(client.subscribe(f"{PRESENCE}/connected/noise"), [1], "SUBACK of the sleeper")
    client.disconnect()


def awake(stack, gateway):
    """Who has adopted its session knew whose it is."""
    eventually(lambda: counted(stack, "adopted_sessions"), "the sleeper's session is adopted",
               DEAD_SECONDS)
    harness.Device(stack, "noise", gateway=gateway, subscribe=False)
    eventually(lambda: counted(stack, "queued_messages"), "the event is queued")
    client = mqtt.Client(stack.gateways[gateway].listen["mqtt"])
    username = f"{PRODUCT}/sleeper"
    client.connect("sleeper", username, mqtt.fleet_password(username, stack.watch_key), clean=False)
    check_equal(client.message()[0], f"{PRESENCE}/connected/noise", "what it had missed")


def refusals(stack):
    """Without a policy that allows it nobody follows, and nobody publishes them at all."""
    device = harness.Device(stack, "curious", version=5)
    check_equal(device.client.subscribe("$aws/events/#"), [NOT_AUTHORIZED], "no policy")
    device.client.disconnect()
    client = connect(stack, PRODUCT, stack.watch_key, "curious", 0)
    check_equal(client.subscribe("$aws/#", "$aws/+/presence/#"), [NOT_AUTHORIZED] * 2, "more")
    check_equal(hex(client.publish(f"{PRESENCE}/connected/curious", "{}")), hex(NOT_AUTHORIZED),
                "a forged event")
    client.disconnect()
