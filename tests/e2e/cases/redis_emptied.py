"""Redis loses all it has while everything runs: sessions stay, and go on; devices that were away are
heard as before when they are back, though their epoch counters are gone."""

import harness
from harness import Device, check_equal, eventually
from cases.take_over import owner
from homestack.redis import RedisClient

AWAY_CONNECTS = 5


def run(arguments):
    with harness.stack(arguments.bin) as stack:
        stays = Device(stack, "stays")
        report(stack, stays, "stays", 1)
        for turn in range(AWAY_CONNECTS):
            away = Device(stack, "away", gateway=turn % 2)
            report(stack, away, "away", turn)
            away.client.disconnect()
        eventually(lambda: online(stack, "away") == [["f"]], "the device is away")

        with RedisClient(stack.redis.socket) as redis:
            redis.call("FLUSHALL")

        back = Device(stack, "away", gateway=1)
        report(stack, back, "away", 100)
        eventually(lambda: online(stack, "away") == [["t"]], "the device that is back is online")
        stays.client.ping()
        eventually(lambda: owner(stack, "stays") == "gateway-0", "the session is entered again", 30)
        report(stack, stays, "stays", 2)
        eventually(lambda: online(stack, "stays") == [["t"]], "the device that stayed is online")
        back.client.disconnect()
        eventually(lambda: online(stack, "away") == [["f"]], "its end is told")


def report(stack, device, name, value):
    check_equal(device.report(f'{{"params":[{{"siid":2,"piid":1,"value":{value}}}]}}'), 0, "PUBACK")
    eventually(lambda: harness.reported(stack, name)[0] == {"bench.value": value},
               f"report {value} of {name} arrives", 20)


def online(stack, name):
    return stack.database.rows(f"SELECT online FROM device WHERE id = '{name}'")
