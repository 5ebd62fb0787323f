"""A gateway stands still until it has been taken for dead: its inbox swept, its place in the list of
pods given away. When it wakes, commands reach its devices again and others know of it."""

import os
import signal
import threading

from homestack.redis import RedisClient

import harness
from harness import Device, check_equal, eventually

DEVICE = "sleeper"


def run(arguments):
    with harness.stack(arguments.bin, gateway_settings={"pod-lease-ms": 1000}) as stack:
        device = Device(stack, DEVICE)
        check_equal(device.report('{"params":[{"siid":2,"piid":1,"value":1}]}'), 0, "PUBACK")
        eventually(lambda: harness.reported(stack, DEVICE)[0], "the report")
        pod = owner(stack, DEVICE)
        os.kill(stack.pid("gateway-0"), signal.SIGSTOP)
        try:
            eventually(lambda: traces(stack, pod) == (False, False), "the pod is swept", 60)
        finally:
            os.kill(stack.pid("gateway-0"), signal.SIGCONT)
        eventually(lambda: traces(stack, pod) == (True, True), "the pod is there again")
        obeys(stack, device)


def obeys(stack, device):
    """A command through the other gateway reaches the device, on the session it has."""
    from homeport.control.v1 import control_pb2
    control = stack.api.control(stack.gateways[1].listen["grpc"])
    request = control_pb2.SetPropertiesRequest(name=device.name)
    wanted = request.properties.add()
    wanted.property.name, wanted.value.int_value = "bench.value", 7
    came = threading.Event()

    def send():
        if not came.is_set():
            control.SetProperties.future(request, timeout=5)
        return came.is_set()

    def read():
        topic, _ = device.client.message(timeout=30)
        check_equal(topic.split("/")[:4], ["device", DEVICE, "down", "set"], "what came down")
        came.set()

    reader = threading.Thread(target=read)
    reader.start()
    eventually(send, "a command", 30)
    reader.join()


def owner(stack, device):
    with RedisClient(stack.redis.socket) as redis:
        fields = redis.call("HKEYS", f"hp:{{d:{device}}}:sess")
    return next(field.split()[0] for field in fields if " " in field)


def traces(stack, pod):
    """Whether Redis has the pod's inbox, and lists it."""
    with RedisClient(stack.redis.socket) as redis:
        return (bool(redis.call("EXISTS", f"hp:{{g:{pod}}}:inbox")),
                bool(redis.call("SISMEMBER", "hp:pods", pod)))
