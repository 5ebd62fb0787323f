"""A gateway that knows Redis by its host's name, over TCP."""

import socket

import harness
import mqtt
from homestack import redis


def run(context):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    opened = []
    original = redis.RedisServer.ready

    def ready(server):
        """The stack's Redis listens on its socket alone."""
        if not original(server):
            return False
        with redis.RedisClient(server.socket) as client:
            opened.append(client.call("CONFIG", "SET", "port", port))
        return True

    redis.RedisServer.ready = ready
    try:
        with harness.stack(context.bin, gateways=1, profile="conformance",
                           gateway_settings={"redis": f"localhost:{port}"}) as running:
            harness.check_equal(opened[0], "OK", "a port of Redis")
            client = mqtt.Client(running.gateways[0].listen["mqtt"])
            client.connect("guest")
            client.subscribe("room/x")
            harness.check_equal(client.publish("room/x", "hi"), 0, "PUBACK")
            harness.check_equal(client.message(), ("room/x", b"hi"), "the message")
    finally:
        redis.RedisServer.ready = original
