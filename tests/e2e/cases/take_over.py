"""The same client id on another gateway: the newer connection works at once, the older one is told
and closed, and what comes down afterwards goes to the newer one only."""

import harness
from harness import Device, check_equal, eventually
from homestack.redis import RedisClient


def run(arguments):
    with harness.stack(arguments.bin) as stack:
        for version, reason in ((5, 0x8E), (4, None)):
            take_over(stack, version, reason)
        storm(stack)


def take_over(stack, version, reason):
    name = f"mover-{version}"
    old = Device(stack, name, gateway=0, version=version)
    new = Device(stack, name, gateway=1, version=version)
    check_equal(old.client.wait_closed(), reason,
                f"DISCONNECT reason of the older session, v{version}")
    check_equal(owner(stack, name), "gateway-1", "owner of the session record")
    check_equal(new.report('{"params":[{"siid":2,"piid":1,"value":1}]}'), 0, "PUBACK on the newer")
    eventually(lambda: harness.reported(stack, name)[0] == {"bench.value": 1}, "the report arrives")
    online = stack.database.rows(f"SELECT online FROM device WHERE id = '{name}'")
    check_equal(online, [["t"]], "the device is online after its older session ended")
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
    eventually(lambda: stack.database.rows(f"SELECT online FROM device WHERE id = '{name}'")
               == [["f"]], "the device is offline")
    rows = stack.database.number(f"SELECT count(*) FROM device_session WHERE device = '{name}'")
    check_equal(rows, 0, "session rows")


def owner(stack, device):
    """The name of the gateway that holds the device's session; None without one."""
    with RedisClient(stack.redis.socket) as redis:
        fields = (redis.call("HGETALL", f"hp:{{d:{device}}}:sess") or [])[::2]
    return next((field.split()[0].rsplit("-", 1)[0] for field in fields
                 if field.count(" ") == 1), None)
