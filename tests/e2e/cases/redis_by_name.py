"""A gateway that knows Redis by its host's name, over TCP."""

import harness
import mqtt
from homestack.redis import RedisClient


def run(context):
    with harness.stack(context.bin, gateways=0, profile="conformance") as running:
        port = running.state.port("redis.tcp")  # the stack's Redis listens on its socket alone
        with RedisClient(running.redis.socket) as redis:
            harness.check_equal(redis.call("CONFIG", "SET", "port", port), "OK", "a port of Redis")
        running.options.gateway_settings["redis"] = f"localhost:{port}"
        client = mqtt.Client(running.add_gateway().listen["mqtt"])
        client.connect("guest")
        client.subscribe("room/x")
        harness.check_equal(client.publish("room/x", "hi"), 0, "PUBACK")
        harness.check_equal(client.message(), ("room/x", b"hi"), "the message")
