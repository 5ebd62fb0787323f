"""Devices with shadows, as many as wanted, put into PostgreSQL by bulk: as if each had connected and
reported all its properties once. What kinds of devices: 100 slots by the numbers of
workload-profile.json, where that file is; device i is of slot i * 7919 mod 100."""

import json
import os
import time
from pathlib import Path

import support
from homestack.redis import RedisClient
from homestack.state import StackError

PROFILE = Path(os.environ.get("HOMEPORT_DATA", support.REPOSITORY.parent / "shared" / "data")) / \
    "workload-profile.json"
SLOTS = 100
STEP = 7919  # tests/bench/pipeline/feeder.cc has the same
RICH_EVERY = 10  # of so many slots of a kind, one has as many properties as the 90th percentile
PROPERTIES_MAX = 80
PREFIX = "bench-"
POD = "bench-pod"


class Slot:
    """A kind of device: its product, and how many properties that has."""

    def __init__(self, kind, properties, events):
        self.properties = max(1, min(properties, PROPERTIES_MAX))
        self.events = events
        self.product = f"homeport.mix.{kind}-{self.properties}{'-e' if events else ''}"

    def model(self):
        number = {"format": "uint8", "value-range": [0, 100, 1], "access": ["read", "write", "notify"]}
        events = [{"iid": 1, "type": "urn:homeport-spec:event:noticed:0000F401:homeport-mix:1",
                   "description": "Something happened", "arguments": [1]}]
        return {
            "type": f"urn:homeport-spec:device:mix:0000F001:{self.product.replace('.', '-')}:1",
            "description": "Bench device", "services": [{
                "iid": 2, "type": "urn:homeport-spec:service:state:0000F101:homeport-mix:1",
                "description": "State", "actions": [], "events": events if self.events else [],
                "properties": [
                    {"iid": i, "description": "Value", **number,
                     "type": f"urn:homeport-spec:property:value-{i}:0000F2{i:02X}:homeport-mix:1"}
                    for i in range(1, self.properties + 1)]}]}

    def shadow(self, time_s):
        """The texts of state and metadata."""
        names = [f"value-{i}" for i in range(1, self.properties + 1)]
        return tuple(json.dumps({"reported": {"state": dict.fromkeys(names, value)}},
                                separators=(",", ":")) for value in (50, time_s))


def slots():
    """(100 slots, where they come from)"""
    if not PROFILE.exists():
        return [Slot("plain", 6, i % 3 == 0) for i in range(SLOTS)], "workload-profile.json is absent"
    rows = json.loads(PROFILE.read_text())["per_device_type"]["rows"]
    rows.sort(key=lambda row: -row["models"])
    total = sum(row["models"] for row in rows)
    found = []
    for row in rows:
        for i in range(round(SLOTS * row["models"] / total)):
            rich = i % RICH_EVERY == RICH_EVERY - 1
            found.append(Slot(row["device"], row["notify"][1 if rich else 0], row["events"][1] > 0))
    while len(found) < SLOTS:  # the many kinds too rare for one of their own
        row = rows[len(found)]
        found.append(Slot(row["device"], row["notify"][0], row["events"][1] > 0))
    return found[:SLOTS], "workload-profile.json"


def device_name(index):
    return f"{PREFIX}{index:07}"


def slot_of(index):
    return index * STEP % SLOTS


def make_products(stack, kinds):
    import grpc
    from homeport.product.v1 import product_pb2
    products = stack.api.products(stack.registry.grpc)
    for slot in {slot.product: slot for slot in kinds}.values():
        try:
            products.CreateProduct(product_pb2.CreateProductRequest(
                parent="tenants/default", product_id=slot.product,
                product=product_pb2.Product(display_name="Bench", allow_unregistered=True,
                                            model_json=json.dumps(slot.model()))), timeout=10)
        except grpc.RpcError as error:
            raise StackError(f"{slot.product}: {error.details()}") from None


def populate(stack, kinds, count):
    """Rows of `count` devices, connected through the pod POD, which lives for an hour. Returns the
    seconds it took, and the epoch of their sessions."""
    begun = time.monotonic()
    with RedisClient(stack.redis.socket) as redis:
        redis.call("SET", f"hp:pod:{POD}", "bench", "PX", "3600000")
    now_ms = int(time.time() * 1000)
    values = ", ".join("({}, '{}', '{}', '{}')".format(i, slot.product, *slot.shadow(now_ms // 1000))
                       for i, slot in enumerate(kinds))
    each = (f"FROM (SELECT '{PREFIX}' || lpad(i::text, 7, '0') AS id, i, slot.* "
            f"FROM generate_series(0, {count - 1}) AS i "
            f"JOIN bench_slot AS slot ON slot.n = i * {STEP}::int8 % {SLOTS}) AS d")
    for sql in (
            "CREATE UNLOGGED TABLE IF NOT EXISTS bench_slot (n int8, product text, state text, "
            "metadata text); TRUNCATE bench_slot; INSERT INTO bench_slot VALUES " + values,
            "INSERT INTO device (id, tenant, product, online, presence_ms, epoch, shadow_model) "
            f"SELECT id, 'default', product, true, {now_ms}, {now_ms}, 1 {each}",
            "INSERT INTO shadow (device, name, version, state, metadata) "
            f"SELECT id, '', 1, state, metadata {each}",
            "INSERT INTO device_session (device, client, pod, session, epoch, since_ms, partition) "
            f"SELECT id, '', '{POD}', i + 1, {now_ms}, {now_ms}, 0 {each}",
            "INSERT INTO tenant_usage VALUES ('default', 0, 0) ON CONFLICT DO NOTHING; "
            f"UPDATE tenant_usage SET devices = devices + {count} WHERE tenant = 'default' "
            "AND slot = 0",
            "DROP TABLE bench_slot"):
        stack.database.rows(sql, seconds=600)
    stack.database.rows("VACUUM ANALYZE", seconds=600)
    return time.monotonic() - begun, now_ms
