"""Paho's Python client goes through what its makers' interoperability suite asks of a broker, with
its client ids and topics: both versions, over TCP, TLS, WebSocket and WebSocket over TLS."""

import threading

import harness
from harness import check, check_equal, eventually

try:
    from paho.mqtt import client as paho
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    from paho.mqtt.subscribeoptions import SubscribeOptions
except ImportError:
    paho = None

TOPICS = ("TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA")
TRANSPORTS = ("mqtt", "mqtts", "ws", "wss")


def run(context):
    if paho is None:
        raise harness.Skipped("python3-paho-mqtt is not installed")
    with harness.stack(context.bin, profile="conformance") as running:
        for version in (paho.MQTTv31, paho.MQTTv311, paho.MQTTv5):
            for transport in TRANSPORTS:
                basic(running, version, transport)
        for version in (paho.MQTTv311, paho.MQTTv5):
            for flow in (retained, overlapping, dollar_topics, unsubscribe, will, zero_length_id):
                flow(Room(running, version))
        for flow in (subscribe_options, retain_handling, properties, identifiers,
                     request_response, topic_alias, packet_size, server_keep_alive, shared,
                     flow_control):
            flow(Room(running, paho.MQTTv5))
    print("passed with MQTT 3.1, 3.1.1 and 5")


class Client:
    """A Paho client that keeps what it gets."""

    def __init__(self, running, client_id, version, transport="mqtt", gateway=0, will=None,
                 clean=True, **connect_properties):
        self.v5 = version == paho.MQTTv5
        self.messages, self._granted, self._published = [], {}, set()
        self.connack = None
        self._changed = threading.Condition()
        more = {} if self.v5 else {"clean_session": clean}
        self.client = paho.Client(client_id, protocol=version, **more,
                                  transport="websockets" if transport[0] == "w" else "tcp")
        if transport[0] == "w":
            self.client.ws_set_options(path="/mqtt")
        if transport in ("mqtts", "wss"):
            self.client.tls_set(str(running.pki.ca_cert))
        if will:
            self.client.will_set(*will)
        self.client.on_connect = self._on_connect
        self.client.on_message = lambda _c, _u, message: self._keep(self.messages, message)
        self.client.on_subscribe = self._on_subscribe
        self.client.on_publish = lambda _c, _u, number: self._note(self._published.add, number)
        self.disconnects = []
        self.client.on_disconnect = lambda *a: self._keep(self.disconnects, a[2])
        host, port = running.gateways[gateway].listen[transport].rsplit(":", 1)
        keep_alive = connect_properties.pop("keep_alive", 60)
        more = {}
        if self.v5:
            more = {"clean_start": clean,
                    "properties": made(PacketTypes.CONNECT, connect_properties)}
        self.client.connect("localhost" if transport in ("mqtts", "wss") else host, int(port),
                            keep_alive, **more)
        self.client.loop_start()
        self.wait(lambda: self.connack is not None, "CONNACK")

    def wait(self, condition, what, seconds=10):
        with self._changed:
            check(self._changed.wait_for(condition, seconds), f"not within {seconds} s: {what}")

    def subscribe(self, filter_, options, **properties):
        """The code of SUBACK. `options`: a QoS, or SubscribeOptions."""
        more = {"properties": made(PacketTypes.SUBSCRIBE, properties)} if properties else {}
        if self.v5 and isinstance(options, int):
            options = SubscribeOptions(options)
        arguments = {"options": options} if self.v5 else {"qos": options}
        _, number = self.client.subscribe(filter_, **arguments, **more)
        self.wait(lambda: number in self._granted, f"SUBACK for {filter_}")
        return self._granted[number]

    def publish(self, topic, payload, qos=0, retain=False, **properties):
        """Returns once the exchange of the message is over."""
        more = {"properties": made(PacketTypes.PUBLISH, properties)} if properties else {}
        number = self.client.publish(topic, payload, qos, retain, **more).mid
        self.wait(lambda: number in self._published, f"acknowledgement of {payload!r}")

    def payloads(self, count):
        """Those of the first `count` messages, in order; no more may be there."""
        self.wait(lambda: len(self.messages) >= count, f"{count} messages")
        check_equal(len(self.messages), count, "messages")
        return [message.payload.decode() for message in self.messages]

    def drop(self):
        """Without DISCONNECT."""
        self.client.loop_stop()
        self.client.socket().close()

    def disconnect(self):
        self.client.disconnect()
        self.wait(lambda: self.disconnects, "the end of the connection")
        self.client.loop_stop()

    def _on_connect(self, _client, _user, flags, code, properties=None):
        def note():
            self.session_present, self.properties = flags["session present"], properties
            self.connack = getattr(code, "value", code)
        self._note(lambda _: note(), None)

    def _on_subscribe(self, _client, _user, number, granted, properties=None):
        code = granted[0]
        self._note(lambda _: self._granted.update({number: getattr(code, "value", code)}), None)

    def _keep(self, where, what):
        self._note(where.append, what)

    def _note(self, action, argument):
        with self._changed:
            action(argument)
            self._changed.notify_all()


def made(kind, values):
    properties = Properties(kind)
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


class Room:
    """Two clients of one version; what is retained is gone at the end."""

    def __init__(self, running, version):
        self.running, self.version = running, version

    def enter(self, number=0, gateway=0, **more):
        client = Client(self.running, ("myclientid", "myclientid2")[number], self.version,
                        gateway=gateway, **more)
        check_equal(client.connack, 0, "CONNACK")
        return client

    def forget(self, *topics):
        client = self.enter()
        for topic in topics:
            client.publish(topic, b"", 1, retain=True)
        client.disconnect()


def basic(running, version, transport):
    client = Client(running, "myclientid", version, transport)
    check_equal(client.connack, 0, f"CONNACK over {transport}")
    check_equal(client.subscribe("TopicA", 2), 2, "SUBACK")
    for qos in (0, 1, 2):
        client.publish("TopicA", f"qos {qos}", qos)
    check_equal(sorted(client.payloads(3)), ["qos 0", "qos 1", "qos 2"], transport)
    client.disconnect()


def retained(room):
    topics = ("fromb/qos 0", "fromb/qos 1", "fromb/qos2")
    client = room.enter()
    for qos, topic in enumerate(topics):
        client.publish(topic, f"qos {qos}", qos, retain=True)
    client.subscribe("fromb/+", 2)
    check_equal(sorted(client.payloads(3)), ["qos 0", "qos 1", "qos 2"], "retained messages")
    check_equal({m.qos for m in client.messages if m.retain}, {0, 1, 2}, "their QoS")
    client.disconnect()
    room.forget(*topics)
    client = room.enter()
    client.subscribe("fromb/#", 2)
    client.publish("fromb/last", "last", 1)
    check_equal(client.payloads(1), ["last"], "after their removal")
    client.disconnect()


def overlapping(room):
    client = room.enter()
    client.subscribe("TopicA/#", 2)
    client.subscribe("TopicA/+", 1)
    client.publish("TopicA/C", "overlapping topic filters", 2)
    client.publish("TopicA/last", "last", 2)
    check_equal(client.payloads(2), ["overlapping topic filters", "last"], "messages")
    check_equal(client.messages[0].qos, 2, "QoS of the one copy")
    client.disconnect()


def dollar_topics(room):
    client = room.enter()
    client.subscribe("+/+", 2)
    client.publish("$TopicA/B", "hidden", 1)
    client.publish("TopicA/B", "seen", 1)
    check_equal(client.payloads(1), ["seen"], "messages of +/+")
    client.disconnect()


def unsubscribe(room):
    one, two = room.enter(0), room.enter(1, gateway=1)
    for topic in TOPICS[:3]:
        two.subscribe(topic, 2)
    two.client.unsubscribe(TOPICS[0])
    two.publish(TOPICS[1], "barrier", 1)
    two.payloads(1)
    for topic in TOPICS[:3]:
        one.publish(topic, topic, 1)
    two.wait(lambda: len(two.messages) == 3, "two messages")
    check_equal({m.topic for m in two.messages[1:]}, set(TOPICS[1:3]), "topics")
    one.disconnect()
    two.disconnect()


def will(room):
    two = room.enter(1, gateway=1)
    two.subscribe(TOPICS[2], 2)
    one = room.enter(0, will=(TOPICS[2], "client not disconnected"))
    one.drop()
    check_equal(two.payloads(1), ["client not disconnected"], "the will")
    two.messages.clear()
    one = room.enter(0, will=(TOPICS[2], "client disconnected"))
    one.disconnect()
    two.publish(TOPICS[2], "last", 1)
    check_equal(two.payloads(1), ["last"], "after DISCONNECT")
    two.disconnect()


def zero_length_id(room):
    client = Client(room.running, "", room.version)
    check_equal(client.connack, 0, "CONNACK without a client id")
    if client.v5:
        check(client.properties.AssignedClientIdentifier, "an assigned client id")
    client.disconnect()


def subscribe_options(room):
    one, two = room.enter(0), room.enter(1)
    for client in (one, two):
        client.subscribe("TopicA", SubscribeOptions(2, noLocal=True))
    one.publish("TopicA", "noLocal test", 1)
    check_equal(two.payloads(1), ["noLocal test"], "at the other client")
    two.publish("TopicA", "back", 1)
    check_equal(one.payloads(1), ["back"], "at the publisher")
    one.messages.clear()
    one.subscribe("TopicA", SubscribeOptions(2, retainAsPublished=True))
    one.publish("TopicA", "false", 1, retain=False)
    one.publish("TopicA", "true", 1, retain=True)
    one.payloads(2)
    check_equal([m.retain for m in one.messages], [0, 1], "RETAIN as published")
    one.disconnect()
    two.disconnect()
    room.forget("TopicA")


def retain_handling(room):
    client = room.enter()
    for qos, topic in enumerate(TOPICS[1:4]):
        client.publish(topic, f"qos {qos}", qos, retain=True)
    expected = 0
    for handling, count in ((1, 3), (1, 0), (2, 0), (0, 3), (0, 3)):
        client.subscribe("+/+", SubscribeOptions(2, retainHandling=handling))
        client.publish("barrier/x", "barrier", 1)
        expected += count + 1
        client.wait(lambda: len(client.messages) >= expected, f"retain handling {handling}")
        check_equal(len(client.messages), expected, f"messages with retain handling {handling}")
    client.disconnect()
    room.forget(*TOPICS[1:4])


def properties(room):
    client = room.enter()
    client.subscribe("TopicA", 2)
    for qos in (0, 1, 2):
        client.publish("TopicA", f"{qos}", qos, UserProperty=[("a", "2"), ("c", "3")],
                       PayloadFormatIndicator=1, ContentType="My name", MessageExpiryInterval=60)
    client.payloads(3)
    for message in client.messages:
        found = message.properties
        check_equal((found.UserProperty, found.PayloadFormatIndicator, found.ContentType),
                    ([("a", "2"), ("c", "3")], 1, "My name"), "properties")
        check(59 <= found.MessageExpiryInterval <= 60, "message expiry")
    client.disconnect()


def identifiers(room):
    client = room.enter()
    client.subscribe("TopicA", 2, SubscriptionIdentifier=2)
    client.subscribe("TopicA/#", 2, SubscriptionIdentifier=3)
    client.publish("TopicA", "sub identifier test", 1)
    client.payloads(1)
    check_equal(sorted(client.messages[0].properties.SubscriptionIdentifier), [2, 3],
                "subscription identifiers")
    client.disconnect()


def request_response(room):
    asks, answers = room.enter(0), room.enter(1, gateway=1)
    for client in (asks, answers):
        client.subscribe("TopicA", SubscribeOptions(2, noLocal=True))
    asks.publish("TopicA", "request", 1, ResponseTopic="TopicA", CorrelationData=b"334")
    answers.payloads(1)
    found = answers.messages[0].properties
    check_equal((found.ResponseTopic, found.CorrelationData), ("TopicA", b"334"), "the request")
    answers.publish(found.ResponseTopic, "response", 1, CorrelationData=found.CorrelationData)
    check_equal(asks.payloads(1), ["response"], "the response")
    asks.disconnect()
    answers.disconnect()


def topic_alias(room):
    client = room.enter()
    check(client.properties.TopicAliasMaximum > 0, "a topic alias maximum")
    client.subscribe("TopicA", 2)
    client.publish("TopicA", "topic alias 1", 1, TopicAlias=1)
    client.client.publish("", "topic alias 2", 0, properties=made(PacketTypes.PUBLISH,
                                                                  {"TopicAlias": 1}))
    check_equal(client.payloads(2), ["topic alias 1", "topic alias 2"], "messages")
    client.disconnect()
    client = room.enter()
    client.client.publish("", "no alias any more", 0, properties=made(PacketTypes.PUBLISH,
                                                                      {"TopicAlias": 1}))
    client.wait(lambda: client.disconnects, "DISCONNECT for an unknown alias")
    client.client.loop_stop()


def packet_size(room):
    client = room.enter(MaximumPacketSize=64)
    check(client.properties.MaximumPacketSize >= 65535, "the server's maximum packet size")
    client.subscribe("TopicA", 2)
    client.publish("TopicA", "." * 32)
    client.publish("TopicA", "." * 64, 1)
    client.publish("TopicA", "last", 1)
    check_equal(client.payloads(2), ["." * 32, "last"], "what fits")
    client.disconnect()


def server_keep_alive(room):
    client = room.enter(keep_alive=120)
    check_equal(client.properties.ServerKeepAlive, 60, "server keep alive")
    client.disconnect()


def shared(room):
    one, two = room.enter(0), room.enter(1, gateway=1)
    for client in (one, two):
        client.subscribe("$share/sharename/client_test5/x", 2)
        client.subscribe("client_test5/TopicA", 2)
    for number in range(10):
        one.publish("client_test5/x", f"shared {number}", 1)
    one.publish("client_test5/TopicA", "to all", 1)

    def payloads():
        return [m.payload.decode() for client in (one, two) for m in client.messages]
    eventually(lambda: len(payloads()) >= 12, "ten shared messages and two of the other")
    check_equal(sorted(payloads()), sorted([f"shared {n}" for n in range(10)] + ["to all"] * 2),
                "messages of the group")
    one.disconnect()
    two.disconnect()


def flow_control(room):
    client = room.enter(ReceiveMaximum=2)
    check(client.properties.ReceiveMaximum > 0, "the server's receive maximum")
    client.subscribe("TopicA", 2)
    for number in range(20):
        client.publish("TopicA", f"{number}", 1 + number % 2)
    check_equal(client.payloads(20), [f"{n}" for n in range(20)], "twenty through a window of two")
    client.disconnect()
