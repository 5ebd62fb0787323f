"""Whether the registry has committed everything that stands in the uplink streams."""

import time

from .redis import RedisClient, RedisError
from .state import StackError


def uncommitted(stack):
    """How many uplink streams have entries behind the offset committed in PostgreSQL."""
    committed = {int(partition): _entry_id(last) for partition, last in
                 stack.database.rows("SELECT partition, last_id FROM stream_offset")}
    count = 0
    with RedisClient(stack.redis.socket) as redis:
        for partition, offset in committed.items():
            newest = redis.call("XREVRANGE", f"hp:{{u:{partition:02}}}:up", "+", "-", "COUNT", "1")
            count += bool(newest) and _entry_id(newest[0][0]) > offset
    return count


def await_drained(stack, seconds):
    """True once nothing is uncommitted; False when it is not so within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if uncommitted(stack) == 0:
                return True
        except (OSError, RedisError, StackError):
            pass  # a store that is just being restarted
        time.sleep(0.1)
    return False


def _entry_id(text):
    milliseconds, sequence = text.split("-")
    return int(milliseconds), int(sequence)
