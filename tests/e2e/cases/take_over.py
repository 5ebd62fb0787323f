"""The same client id on another gateway: the newer connection works at once, the older one is told
and closed, and what comes down afterwards goes to the newer one only."""

import os
import signal

import harness
import mqtt
from harness import Device, check_equal, eventually
from homestack import metrics
from homestack.redis import RedisClient


def run(arguments):
    with harness.stack(arguments.bin) as stack:
        for version, reason in ((5, 0x8E), (4, None)):
            take_over(stack, version, reason)
        storm(stack)
        left_before_it_was_there(stack)


def take_over(stack, version, reason):
    name = f"mover-{version}"
    old = Device(stack, name, gateway=0, version=version)
    new = Device(stack, name, gateway=1, version=version)
    check_equal(old.client.wait_closed(), reason,
                f"DISCONNECT reason of the older session, v{version}")
    check_equal(owner(stack, name), "gateway-1", "owner of the session record")
    check_equal(new.report('{"params":[{"siid":2,"piid":1,"value":1}]}'), 0, "PUBACK on the newer")
    eventually(lambda: harness.reported(stack, name)[0] == {"bench.value": 1}, "the report arrives")
    check_equal(online(stack, name), [["t"]], "the device is online after its older session ended")
    new.client.ping()


def storm(stack):
    """Twenty times to and fro: one session is left, and it is the last one."""
    name = "mover-storm"
    sessions = [Device(stack, name, gateway=turn % 2, subscribe=False) for turn in range(20)]
    check_equal(owner(stack, name), "gateway-1", "owner after the storm")
    for session in sessions[:-1]:
        session.client.wait_closed()
    sessions[-1].client.ping()
    sessions[-1].client.disconnect()
    eventually(lambda: owner(stack, name) is None, "the session record is gone after DISCONNECT")
    eventually(lambda: online(stack, name) == [["f"]], "the device is offline")
    rows = stack.database.number(f"SELECT count(*) FROM device_session WHERE device = '{name}'")
    check_equal(rows, 0, "session rows")


def left_before_it_was_there(stack):
    """A connection that takes the client id over and breaks off before Redis has said so: the older
    one ends, and with it the device is offline."""
    name = "mover-left"
    old = Device(stack, name, gateway=0, version=5)
    eventually(lambda: online(stack, name) == [["t"]], "the device is online")
    far = stack.gateways[1]
    new = mqtt.Client(far.listen["mqtt"], 5)
    redis = stack.pid("redis")
    os.kill(redis, signal.SIGSTOP)
    try:
        before = counted(far, "received_bytes")
        new.send_connect(name, *harness.credentials(stack, name))
        eventually(lambda: counted(far, "received_bytes") > before, "CONNECT is read")
        before = counted(far, "disconnections")
        new.reset()
        eventually(lambda: counted(far, "disconnections") > before, "the end is noticed")
    finally:
        os.kill(redis, signal.SIGCONT)
    check_equal(old.client.wait_closed(), 0x8E, "DISCONNECT reason of the older session")
    eventually(lambda: online(stack, name) == [["f"]], "the device is offline")
    eventually(lambda: owner(stack, name) is None, "the session record is gone")


def online(stack, name):
    return stack.database.rows(f"SELECT online FROM device WHERE id = '{name}'")


def counted(gateway, what):
    return metrics.scrape(gateway.metrics).total(f"homeport_gateway_{what}_total")


def owner(stack, device):
    """The name of the gateway that holds the device's session; None without one."""
    with RedisClient(stack.redis.socket) as redis:
        fields = (redis.call("HGETALL", f"hp:{{d:{device}}}:sess") or [])[::2]
    return next((field.split()[0].rsplit("-", 1)[0] for field in fields
                 if field.count(" ") == 1), None)
