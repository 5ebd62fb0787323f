"""Many retained messages in one write, and a subscriber to every one of many partitions: neither is
limited by how many words a command to Redis has."""

import harness
import mqtt

MESSAGES = 500


def run(context):
    with harness.stack(context.bin, gateways=1, profile="conformance",
                       gateway_settings={"bus-partitions": 64}) as running:
        gateway = running.gateways[0]
        pid = running.pid(gateway.name)
        follower = mqtt.Client(gateway.listen["mqtt"])
        follower.connect("follower")
        harness.check_equal(follower.subscribe("#", qos=0), [0], "SUBACK of #")
        writer = mqtt.Client(gateway.listen["mqtt"])
        writer.connect("writer")
        wanted = {f"room/{number}": b"%d" % number for number in range(MESSAGES)}
        writer.send_at_once((topic, payload) for topic, payload in wanted.items())
        found = dict(follower.message() for _ in wanted)
        harness.check_equal(found, wanted, "messages of #")
        reader = mqtt.Client(gateway.listen["mqtt"])
        reader.connect("reader")
        reader.subscribe("room/#", qos=0)
        found = dict(reader.message() for _ in wanted)
        harness.check_equal(found, wanted, "retained messages")
        harness.check_equal(running.pid(gateway.name), pid, "the gateway's process")
