"""A hub and its child sensors over mosquitto_pub and mosquitto_sub: topology, reports, commands,
presence, order."""

import json
import subprocess
import threading

import grpc
from homestack import bench_product, metrics
from homestack.process import MORTAL

import harness
import mqtt
from harness import check, check_equal, eventually
from cases.mosquitto import password_by_openssl

HUB = "hub-1"
CHILD = "sensor-1"
HUB_PRODUCT = "bench.hub"


def run(arguments):
    with harness.stack(arguments.bin) as stack:
        add_hub_product(stack)
        hub = Hub(stack)
        answers = hub.listen(f"device/{HUB}/down/topology")
        hub.attach(CHILD)
        answer = json.loads(answers.line().split(" ", 1)[1])
        check_equal((answer["did"], answer["code"]), (CHILD, 200), "the answer to the topology")
        answers.stop()
        child_reports(stack, hub)
        phone_sets_child(stack, hub)
        pending_deltas(stack, hub)
        stranger_is_refused(stack, hub)
        presence_follows_hub(stack, hub)
        acknowledged_in_order(stack)


def add_hub_product(stack):
    from homeport.product.v1 import product_pb2
    stack.api.products(stack.registry.grpc).CreateProduct(
        product_pb2.CreateProductRequest(
            parent="tenants/default", product_id=HUB_PRODUCT,
            fleet_key=stack.bench_fleet_key(),
            product=product_pb2.Product(allow_unregistered=True, is_hub=True)), timeout=10)


class Hub:
    """mosquitto_sub is its main session, mosquitto_pub another client of it."""

    def __init__(self, stack, device=HUB, gateway=0):
        self.device = device
        username = f"{HUB_PRODUCT}/{device}"
        port = stack.gateways[gateway].listen["mqtts"].rsplit(":", 1)[1]
        self.options = ["-h", "localhost", "-p", port, "--cafile", str(stack.pki.ca_cert),
                        "-V", "5", "-q", "1", "-u", username,
                        "-P", password_by_openssl(username, stack.bench_fleet_key())]

    def listen(self, *topics):
        return Listener(self, topics)

    def publish(self, topic, payload):
        result = subprocess.run(
            ["mosquitto_pub", *self.options, "-i", f"{self.device}-pub", "-t", topic, "-m",
             payload], capture_output=True, text=True, timeout=20)
        check_equal((result.returncode, result.stderr), (0, ""), f"mosquitto_pub to {topic}")

    def attach(self, child):
        self.publish(f"device/{self.device}/up/topology", json.dumps(
            {"add": [{"did": child, "product": bench_product.PRODUCT, "link": "ble"}]}))

    def report(self, child, value):
        self.publish(f"device/{child}/up/properties",
                     '{"params":[{"siid":2,"piid":1,"value":%d}]}' % value)


class Listener:
    """The hub's main session; ready when its SUBACK has come."""

    def __init__(self, hub, topics):
        filters = [word for topic in topics for word in ("-t", topic)]
        self.process = subprocess.Popen(
            [*MORTAL, "stdbuf", "-oL", "mosquitto_sub", *hub.options, "-i", hub.device, "-d", "-F", "received: %t %p", *filters],
            stdout=subprocess.PIPE, text=True, bufsize=1)
        self._await("Subscribed (mid: 1)")

    def _await(self, word):
        for line in self.process.stdout:
            if word in line:
                return line
        raise harness.Failed(f"mosquitto_sub ended before: {word}")

    def line(self):
        """Topic and payload of the next message."""
        return self._await("received: ").strip().split("received: ", 1)[1]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def child_reports(stack, hub):
    session = hub.listen("device/+/down/#")
    hub.report(CHILD, 42)
    eventually(lambda: harness.reported(stack, CHILD)[0].get("bench.value") == 42,
               "the child's value is in its shadow")
    eventually(lambda: presence(stack, CHILD).online, "the child is online")
    found = presence(stack, CHILD)
    check_equal((found.hub, found.link, found.silence.seconds),
                (f"tenants/default/devices/{HUB}", "ble", 3900), "the child's hub")
    session.stop()


def pending_deltas(stack, hub):
    """What was wished for a child while the hub was away, the hub is told when it listens."""
    from homeport.shadow.v1 import shadow_pb2
    stack.api.shadows(stack.registry.grpc).UpdateShadow(shadow_pb2.UpdateShadowRequest(
        name=f"tenants/default/devices/{CHILD}/shadows/-",
        state_json='{"desired":{"mode":"night"}}'), timeout=10)
    for topic in ("$aws/things/+/shadow/update/delta",
                  f"$aws/things/{CHILD}/shadow/update/delta"):
        session = hub.listen(topic)
        name, delta = session.line().split(" ", 1)
        check_equal(name, f"$aws/things/{CHILD}/shadow/update/delta", topic)
        check_equal(json.loads(delta)["state"]["mode"], "night", topic)
        session.stop()


def phone_sets_child(stack, hub):
    """Through the other gateway than the hub's."""
    from homeport.control.v1 import control_pb2
    session = hub.listen("device/+/down/#")

    def answer():
        topic, payload = session.line().split(" ", 1)
        check(topic.startswith(f"device/{CHILD}/down/set/"), f"the set's topic: {topic}")
        check('"value":7' in payload.replace(" ", ""), f"the set's payload: {payload}")
        hub.publish(f"device/{CHILD}/up/reply/{topic.rsplit('/', 1)[1]}",
                    '{"code":0,"params":[{"siid":2,"piid":1,"code":0}]}')

    answering = threading.Thread(target=answer, daemon=True)
    answering.start()
    request = control_pb2.SetPropertiesRequest(name=f"tenants/default/devices/{CHILD}")
    wanted = request.properties.add()
    wanted.property.name, wanted.value.int_value = "bench.value", 7
    response = stack.api.control(stack.gateways[1].listen["grpc"]).SetProperties(request,
                                                                                timeout=10)
    answering.join(10)
    check_equal(control_pb2.Outcome.Name(response.outcome), "OUTCOME_DONE", "outcome of the set")
    session.stop()


def stranger_is_refused(stack, hub):
    """Another hub reports for the child: it is told, and the shadow stays."""
    stranger = Hub(stack, "hub-2")
    session = stranger.listen("device/+/down/#")
    stranger.publish(f"device/{CHILD}/up/properties",
                     '{"params":[{"siid":2,"piid":1,"value":99}]}')
    # The publishing client is told, not the listening one: only the registry's count shows it.
    eventually(lambda: metrics.scrape(stack.registry.metrics).total(
        "homeport_registry_refusals_total", reason="not_child") == 1, "the refusal is counted")
    check_equal(harness.reported(stack, CHILD)[0]["bench.value"], 42, "the child's value")
    session.stop()


def presence_follows_hub(stack, hub):
    """The child leaves and returns with its hub, and a watch sees both."""
    from homeport.control.v1 import control_pb2
    eventually(lambda: not presence(stack, CHILD).online, "the hub's former sessions are gone")
    session = hub.listen("device/+/down/#")
    eventually(lambda: presence(stack, CHILD).online, "the child is online behind its hub")
    watch = stack.api.control(stack.gateways[1].listen["grpc"]).Watch(
        control_pb2.WatchRequest(names=[f"tenants/default/devices/{CHILD}"]), timeout=60)
    seen = []

    def follow():
        try:
            for event in watch:
                if event.kind in (control_pb2.WatchEvent.KIND_SNAPSHOT,
                                  control_pb2.WatchEvent.KIND_PRESENCE):
                    seen.append(event.online)
        except grpc.RpcError:
            pass

    threading.Thread(target=follow, daemon=True).start()
    eventually(lambda: seen == [True], "the watch begins with the present state")
    session.stop()
    eventually(lambda: seen == [True, False], "the child left with its hub")
    check(presence(stack, CHILD).HasField("last_seen_time"), "when the child was last seen")
    session = hub.listen("device/+/down/#")
    eventually(lambda: seen == [True, False, True], "the child is back with its hub")
    watch.cancel()
    session.stop()


def acknowledged_in_order(stack):
    """Each child has a stream of its own: a PUBACK still waits for those before it [MQTT-4.6.0-2]."""
    children = [f"in-order-{i}" for i in range(8)]
    hub = mqtt.Client(stack.gateways[0].listen["mqtt"])
    username = f"{HUB_PRODUCT}/hub-3"
    hub.connect("hub-3", username, mqtt.fleet_password(username, stack.bench_fleet_key()))
    hub.publish("device/hub-3/up/topology", json.dumps(
        {"add": [{"did": child, "product": bench_product.PRODUCT, "link": "ble"}
                 for child in children]}))
    for turn in range(20):  # no faster than a session may publish
        sent = []
        for number in range(40):
            hub.publish(f"device/{children[number % 8]}/up/properties",
                        '{"params":[{"siid":2,"piid":1,"value":%d}]}' % number, wait=False)
            sent.append(hub.last_id())
        answered = [int.from_bytes(hub.wait(mqtt.PUBACK).body[:2], "big") for _ in sent]
        check_equal(answered, sent, f"PUBACKs of turn {turn}")
    hub.disconnect()


def presence(stack, device):
    from homeport.presence.v1 import presence_pb2
    return stack.api.presence(stack.registry.grpc).GetPresence(
        presence_pb2.GetPresenceRequest(name=f"tenants/default/devices/{device}"), timeout=5)
