"""A phone: each second it sets a lamp through another gateway than the lamp's own, and checks that
the lamp obeys, that the Watch event arrives, and that the shadow says the same."""

import json
import queue
import random
import threading
import time

import grpc

from .api import error_reason
from .redis import RedisClient, RedisError

ROUND_SECONDS = 1.0
COMMAND_SECONDS = 5
EVENT_SECONDS = 5.0
PROPERTY = "light.brightness"


class Phone:
    """Runs on its own thread from start() to stop(). The numbers may be read at any time."""

    def __init__(self, api, gateways, registry_grpc, redis_address):
        self._api = api
        self._gateways = gateways
        self._registry = registry_grpc
        self._redis = redis_address
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="phone")
        self._random = random.Random()
        self.good = 0
        self.moved = 0  # rounds in which the lamp itself left or came back: nothing to judge
        self.failures = []
        self.command_seconds = []
        self.watch_seconds = []
        self.last = "looking for lamps"

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join(timeout=30)

    @property
    def rounds(self):
        return self.good + len(self.failures)

    # ---- rounds ----

    def _run(self):
        lamps = []
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                lamps = lamps or self.find_lamps()
                if lamps:
                    self._round(self._random.choice(lamps))
            except grpc.RpcError as error:
                self._fail(f"{error.code().name} {error_reason(error)} {error.details()}")
            except (OSError, RedisError) as error:
                self._fail(f"Redis: {error}")
            self._stop.wait(max(0.0, ROUND_SECONDS - (time.monotonic() - begun)))

    def find_lamps(self):
        """(device name, smallest, largest value) of every device with a brightness to set."""
        from homeport.device.v1 import device_pb2
        from homeport.product.v1 import product_pb2
        products = self._api.products(self._registry)
        ranges = {}
        for product in products.ListProducts(product_pb2.ListProductsRequest(
                parent="tenants/default", page_size=1000), timeout=10).products:
            request = product_pb2.GetProductRequest(name=product.name)
            found = _brightness_range(products.GetProduct(request, timeout=10).model_json)
            if found:
                ranges[product.name] = found
        lamps, token = [], ""
        while True:
            page = self._api.devices(self._registry).ListDevices(device_pb2.ListDevicesRequest(
                parent="tenants/default", page_size=1000, page_token=token), timeout=10)
            lamps += [(d.name, *ranges[d.product]) for d in page.devices
                      if d.product in ranges and d.online]
            token = page.next_page_token
            if not token:
                return lamps

    def _round(self, lamp):
        name, smallest, largest = lamp
        device = name.rsplit("/", 1)[1]
        session = self._session(device)
        if session is None:
            self.moved += 1
            return
        home = next((g.index for g in self._gateways if session.startswith(g.name + "-")), 0)
        count = len(self._gateways)
        try:
            problem = self._set_and_see(name, smallest, largest, self._gateways[(home + 1) % count],
                                        self._gateways[(home + 2) % count])
        except grpc.RpcError as error:
            problem = f"{error.code().name} {error_reason(error)}: {error.details()}"
        if not problem:
            self.good += 1
            self.last = (f"{device} on gateway {home}, set through gateway "
                         f"{(home + 1) % count}: obeyed")
        elif self._session(device) != session:
            self.moved += 1
        else:
            self._fail(f"{device} on gateway {home}: {problem}")

    def _set_and_see(self, name, smallest, largest, commander, watcher):
        """One round; returns what went wrong, or None."""
        from homeport.control.v1 import control_pb2
        watch = _Watch(self._api.control(watcher.listen["grpc"]), name)
        try:
            snapshot = watch.wait(lambda e: e.kind == control_pb2.WatchEvent.KIND_SNAPSHOT)
            if snapshot is None:
                return f"no snapshot on Watch within {EVENT_SECONDS:.0f} s"
            value = self._other_value(_value_of(snapshot.properties), smallest, largest)
            control = self._api.control(commander.listen["grpc"])
            problem = self._set(control, name, value)
            if problem:
                return problem
            event = watch.wait(lambda e: e.kind == control_pb2.WatchEvent.KIND_CHANGE
                               and _value_of(e.properties) == value)
            if event is None:
                return f"set to {value}, but no Watch event within {EVENT_SECONDS:.0f} s"
            self.watch_seconds.append(max(0.0, time.time() - _seconds(event.event_time)))
            return self._agrees(control, name, event, value)
        finally:
            watch.close()

    def _set(self, control, name, value):
        from homeport.control.v1 import control_pb2
        request = control_pb2.SetPropertiesRequest(name=name)
        wanted = request.properties.add()
        wanted.property.name = PROPERTY
        wanted.value.int_value = value
        request.timeout.seconds = COMMAND_SECONDS
        begun = time.monotonic()
        answer = control.SetProperties(request, timeout=COMMAND_SECONDS + 1)
        self.command_seconds.append(time.monotonic() - begun)
        if answer.outcome != control_pb2.OUTCOME_DONE:
            return f"set to {value}: outcome {control_pb2.Outcome.Name(answer.outcome)}, " \
                   f"code {answer.code}"
        return None

    @staticmethod
    def _agrees(control, name, event, value):
        from homeport.control.v1 import control_pb2
        state = control.GetProperties(control_pb2.GetPropertiesRequest(name=name), timeout=5)
        if state.shadow_version < event.shadow_version:
            return f"GetProperties is behind Watch: version {state.shadow_version}, " \
                   f"event {event.shadow_version}"
        if state.shadow_version == event.shadow_version and _value_of(state.properties) != value:
            return f"GetProperties says {_value_of(state.properties)}, Watch said {value}"
        return None

    # ---- small things ----

    def _session(self, device):
        """"<pod> <session> <epoch>" of the device's main session, None where it has none."""
        with RedisClient(self._redis) as redis:
            record = redis.call("HGETALL", f"hp:{{d:{device}}}:sess") or []
        return next((f"{field} {epoch}" for field, epoch in zip(record[::2], record[1::2])
                     if field.count(" ") == 1), None)

    def _other_value(self, present, smallest, largest):
        value = self._random.randint(smallest, largest - 1)
        return value if value != present else largest

    def _fail(self, what):
        self.failures.append(what)
        self.last = "FAILED: " + what


class _Watch:
    """A Watch stream read on a thread, so that waiting for an event can have a deadline."""

    def __init__(self, control, name):
        from homeport.control.v1 import control_pb2
        self._events = queue.Queue()
        self._call = control.Watch(control_pb2.WatchRequest(names=[name]), timeout=60)
        threading.Thread(target=self._read, daemon=True).start()

    def wait(self, wanted):
        """The first event that is `wanted`, or None. Raises what ended the stream."""
        deadline = time.monotonic() + EVENT_SECONDS
        while True:
            try:
                event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            if isinstance(event, Exception):
                raise event
            if wanted(event):
                return event

    def close(self):
        self._call.cancel()

    def _read(self):
        try:
            for event in self._call:
                self._events.put(event)
        except grpc.RpcError as error:
            self._events.put(error)


def _brightness_range(model_json):
    """(smallest, largest) of a writable light.brightness in the model, else None."""
    if not model_json:
        return None
    for service in json.loads(model_json).get("services", ()):
        if service["type"].split(":")[3] != "light":
            continue
        for item in service.get("properties", ()):
            if item["type"].split(":")[3] == "brightness" and "write" in item["access"]:
                smallest, largest, _ = item["value-range"]
                return int(smallest), int(largest)
    return None


def _value_of(properties):
    return next((p.value.int_value for p in properties if p.property.name == PROPERTY), None)


def _seconds(timestamp):
    return timestamp.seconds + timestamp.nanos / 1e9
