"""Commands are judged by the version of the model that the device runs, and carry MIoT's codes."""

import concurrent.futures
import copy
import json
import os
import signal
import threading
import uuid

import grpc
from homestack import bench_product, metrics

import cbor
import harness
import mqtt
from harness import Device, check, check_equal, eventually

URN = "urn:homeport-spec:device:bench:0000F001:homeport-bench:"
SECOND = URN + "2"


def run(arguments):
    with harness.stack(arguments.bin) as stack:
        import_second_version(stack)
        device = Device(stack, "typed-1")
        device.report('{"params":[{"siid":2,"piid":2,"value":50}]}')
        eventually(lambda: harness.reported(stack, device.id)[0], "the device is registered")
        follows_the_named_version(stack, device)
        codes_of_errors(stack, device)
        codes_of_the_device(stack, device)
        results_of_actions(stack, device)
        actions_once(stack, device)
        raw_values_are_marked(stack, device)
        in_cbor(stack)
        not_after_its_time(stack)
        nobody_answers(stack, device)
        models_of_many_megabytes(stack)


def import_second_version(stack):
    """Of another level, beside the present one: devices that name none run version 1."""
    from homeport.product.v1 import model_pb2
    model = copy.deepcopy(bench_product.MODEL)
    model["type"] = SECOND
    model["services"][0]["actions"].append(
        {"iid": 2, "type": "urn:homeport-spec:action:stop:0000F302:homeport-bench:1",
         "description": "Stops", "in": [], "out": []})
    model["services"][0]["properties"][1].update(
        {"format": "uint16", "value-range": [3000, 5000, 1]})
    request = model_pb2.CreateModelVersionRequest(
        parent=f"tenants/default/products/{bench_product.PRODUCT}", model_json=json.dumps(model),
        keep_current=True, validate_only=True)
    models = stack.api.models(stack.registry.grpc)
    said = models.CreateModelVersion(request, timeout=10)
    check_equal((model_pb2.Upgrade.Name(said.upgrade), said.version), ("UPGRADE_BREAKING", 0),
                "what a second version would be")
    request.validate_only, request.allow_breaking = False, True
    check_equal(models.CreateModelVersion(request, timeout=10).version, 2, "the second version")


def models_of_many_megabytes(stack):
    """Of a product with more of them than one message of gRPC's holds the last one is judged by too."""
    from homeport.product.v1 import model_pb2
    models = stack.api.models(stack.registry.grpc)
    for number in range(3, 9):
        model = copy.deepcopy(bench_product.MODEL) | {"type": f"{URN}{number}",
                                                      "description": "x" * 900_000}
        model["services"][0]["properties"][1].update(
            {"format": "uint16", "value-range": [number * 1000, number * 1000 + 9, 1]})
        models.CreateModelVersion(model_pb2.CreateModelVersionRequest(
            parent=f"tenants/default/products/{bench_product.PRODUCT}", model_json=json.dumps(model),
            keep_current=True, allow_breaking=True), timeout=10)
    device = Device(stack, "typed-many", subscribe=False)  # not to what is refused until then
    device.client.subscribe(f"device/{device.id}/down/set/+")

    def is_taken():
        device.report(json.dumps({"model": f"{URN}8",
                                  "params": [{"siid": 2, "piid": 2, "value": 8001}]}))
        return harness.reported(stack, device.id)[0].get("bench.level") == 8001

    eventually(is_taken, "the registry knows version 8")
    with Answering(device, '{"code":0,"params":[{"siid":2,"piid":2,"code":0}]}') as asked:
        eventually(lambda: not _fails(lambda: set_level(stack, device, 8002)),
                   "the gateways know version 8")
    check_equal(asked.payload["params"][0]["value"], 8002, "what the device was asked")


def control(stack):
    return stack.api.control(stack.gateways[1].listen["grpc"])


def set_level(stack, device, value, timeout=10):
    from homeport.control.v1 import control_pb2
    request = control_pb2.SetPropertiesRequest(name=device.name)
    wanted = request.properties.add()
    wanted.property.name, wanted.value.int_value = "bench.level", value
    request.timeout.FromMilliseconds(timeout * 1000 // 2)
    return control(stack).SetProperties(request, timeout=timeout)


def error_of(call):
    """(reason, metadata, descriptions) of the error that the call ends with."""
    from google.rpc import status_pb2
    try:
        answer = call()
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata())
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        info, violations = status_pb2.ErrorInfo(), status_pb2.BadRequest()
        for detail in status.details:
            for message in (info, violations):
                if detail.type_url.endswith("." + message.DESCRIPTOR.name):
                    message.ParseFromString(detail.value)
        return info.reason, dict(info.metadata), [v.description
                                                  for v in violations.field_violations]
    raise harness.Failed(f"no error, but {answer}")


class Answering:
    """The device answers its next command with `reply`; `payload` is what it was asked."""

    def __init__(self, device, reply):
        self._device, self._reply, self.payload = device, reply, None
        self._thread = threading.Thread(target=self._answer, daemon=True)

    def _answer(self):
        topic, payload = self._device.client.message()
        self.payload = json.loads(payload)
        self._device.client.publish(
            f"device/{self._device.id}/up/reply/{topic.rsplit('/', 1)[1]}", self._reply)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._thread.join(10)


def follows_the_named_version(stack, device):
    with Answering(device, '{"code":0,"params":[{"siid":2,"piid":2,"code":0}]}') as asked:
        set_level(stack, device, 60)
    check_equal(asked.payload["params"], [{"siid": 2, "piid": 2, "value": 60}], "the set's payload")
    check_equal(error_of(lambda: set_level(stack, device, 4000))[0], "MODEL_VIOLATION",
                "4000 is no level of version 1")
    device.report(json.dumps({"model": SECOND, "params": [{"siid": 2, "piid": 2, "value": 3000}]}))

    # Until the gateway has heard that the device runs another version.
    waiting = Answering(device, '{"code":0,"params":[{"siid":2,"piid":2,"code":0}]}')
    with waiting:
        eventually(lambda: not _fails(lambda: set_level(stack, device, 4000)),
                   "4000 is a level of version 2")
    check_equal(waiting.payload["params"][0]["value"], 4000, "what the device was asked")
    check_equal(error_of(lambda: set_level(stack, device, 60))[0], "MODEL_VIOLATION",
                "60 is no level of version 2")
    check_equal(harness.reported(stack, device.id)[0].get("bench.level"), 3000,
                "what the device reported is a value of its version")


def _fails(call):
    try:
        call()
        return False
    except grpc.RpcError:
        return True


def codes_of_errors(stack, device):
    from homeport.control.v1 import control_pb2
    request = control_pb2.SetPropertiesRequest(name=device.name)
    for siid, piid in ((2, 4), (9, 1), (2, 99), (-1, 1), (2, 2)):
        wanted = request.properties.add()
        wanted.property.siid, wanted.property.piid = siid, piid
        wanted.value.bool_value = True
    reason, metadata, descriptions = error_of(
        lambda: control(stack).SetProperties(request, timeout=10))
    check_equal((reason, metadata),
                ("MODEL_VIOLATION", {"code": "-704040002", "code[1]": "-704040002",
                                     "code[2]": "-704040003", "code[3]": "-704220008",
                                     "code[4]": "-704220043"}), "codes of a bad set")
    check(all("(-704" in description for description in descriptions) and len(descriptions) == 4,
          f"codes in the descriptions: {descriptions}")


def codes_of_the_device(stack, device):
    from homeport.control.v1 import control_pb2
    with Answering(device, '{"code":-4005,"params":[{"siid":2,"piid":2,"code":-4005}]}'):
        answer = set_level(stack, device, 4000)
    check_equal((control_pb2.Outcome.Name(answer.outcome), answer.code, answer.results[0].code),
                ("OUTCOME_FAILED", -704220043, -704220043), "what the device refused")


def results_of_actions(stack, device):
    from homeport.control.v1 import control_pb2
    for reply, code, results in (('{"code":0,"out":[7.0]}', 0, [7]),
                                 ('{"code":0,"out":[{"piid":1,"value":7}]}', 0, [7]),
                                 ('{"code":0}', -704222034, []),
                                 ('{"code":0,"out":["7"]}', -704222035, [])):
        with Answering(device, reply):
            answer = control(stack).InvokeAction(control_pb2.InvokeActionRequest(
                name=device.name, action="bench.reset"), timeout=10)
        check_equal((answer.code, [result.int_value for result in answer.results]),
                    (code, results), f"an action answered with {reply}")


def actions_once(stack, device):
    """An action with a request_id comes to the same however often, and wherever, it is sent."""
    first, second, third = (str(uuid.uuid4()) for _ in range(3))
    with Answering(device, '{"code":0,"out":[7]}'):
        reset(stack, device, first)
    for gateway in (0, 1):
        again = reset(stack, device, first, gateway)
        check_equal([result.int_value for result in again.results], [7], "the first answer again")
    with concurrent.futures.ThreadPoolExecutor(4) as callers:
        calls = [callers.submit(reset, stack, device, second, i % 2) for i in range(4)]
        answer(device, '{"code":0,"out":[8]}')
        check_equal([call.result().results[0].int_value for call in calls], [8] * 4,
                    "the answer to all that were under way")
    reason, _, _ = error_of(lambda: reset(stack, device, third, timeout=6))
    check_equal(reason, "DEVICE_TIMED_OUT", "an action that the device does not answer")
    answer(device, '{"code":0,"out":[9]}')  # too late
    reason, _, _ = error_of(lambda: reset(stack, device, third))
    check_equal(reason, "DEVICE_TIMED_OUT", "how it had ended")
    with Answering(device, '{"code":0,"out":[10]}'):
        check_equal(reset(stack, device, "").results[0].int_value, 10, "nothing was asked between")
    fourth = str(uuid.uuid4())
    os.kill(stack.pid("redis"), signal.SIGSTOP)
    try:
        check(_fails(lambda: reset(stack, device, fourth, timeout=2)), "an action without Redis")
    finally:
        os.kill(stack.pid("redis"), signal.SIGCONT)
    with Answering(device, '{"code":0,"out":[11]}'):
        check_equal(reset(stack, device, fourth).results[0].int_value, 11,
                    "what came too late is not carried out, and not noted")
    check_equal(error_of(lambda: reset(stack, device, first, action="bench.stop"))[0],
                "REQUEST_ID_REUSED", "another action under the id")
    check_equal(error_of(lambda: reset(stack, device, "17"))[0], "FIELD_INVALID", "no UUID")


def reset(stack, device, request_id, gateway=1, action="bench.reset", timeout=10):
    from homeport.control.v1 import control_pb2
    request = control_pb2.InvokeActionRequest(name=device.name, action=action, request_id=request_id)
    request.timeout.FromMilliseconds(timeout * 1000 // 2)
    api = stack.api.control(stack.gateways[gateway].listen["grpc"])
    return api.InvokeAction(request, timeout=timeout)


def answer(device, reply):
    topic, _ = device.client.message()
    device.client.publish(f"device/{device.id}/up/reply/{topic.rsplit('/', 1)[1]}", reply)


def raw_values_are_marked(stack, device):
    from homeport.control.v1 import control_pb2
    device.client.publish(f"$aws/things/{device.id}/shadow/update",
                          '{"state":{"reported":{"bench":{"label":17}}}}')

    def marked():
        state = control(stack).GetProperties(control_pb2.GetPropertiesRequest(name=device.name),
                                             timeout=5)
        return [p for p in state.properties if p.property.name == "bench.label"]

    found = eventually(marked, "the value written past the model is listed")[0]
    check_equal((found.code, found.HasField("value")), (-704220043, False), "how it is listed")


def in_cbor(stack):
    """A device that speaks CBOR alone is asked, answers and is refused in CBOR."""
    device = Device(stack, "typed-2", subscribe=False)
    down, up = f"device/{device.id}/down", f"device/{device.id}/up"
    check_equal(device.client.subscribe(f"{down}/set/+/cbor", f"{down}/refused/cbor"), [1, 1],
                "SUBACK")
    device.client.publish(f"{up}/properties/cbor", cbor.encode(
        {"params": [{"siid": 2, "piid": 2, "value": 50}, {"siid": 2, "piid": 2, "value": 500}]}))
    topic, payload = device.client.message()
    check_equal((topic, cbor.decode(payload)["params"]),
                (f"{down}/refused/cbor", [{"siid": 2, "piid": 2, "code": -704220043}]), "refused")
    eventually(lambda: harness.reported(stack, device.id)[0].get("bench.level") == 50, "reported")
    asked = []

    def answer():
        topic, payload = device.client.message()
        asked.append((topic, cbor.decode(payload)))
        device.client.publish(f"{up}/reply/{topic.split('/')[4]}/cbor", cbor.encode(
            {"code": 0, "params": [{"siid": 2, "piid": 2, "code": 0}]}))

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    from homeport.control.v1 import control_pb2
    done = set_level(stack, device, 60)
    thread.join(10)
    check_equal(control_pb2.Outcome.Name(done.outcome), "OUTCOME_DONE", "the outcome")
    check_equal((asked[0][0].rsplit("/", 1)[1], asked[0][1]["params"]),
                ("cbor", [{"siid": 2, "piid": 2, "value": 60}]), "what it was asked")
    device.client.disconnect()


def not_after_its_time(stack):
    """A device that was away when its command's time ended is not asked any more."""
    device = Device(stack, "typed-late", subscribe=False)
    device.client.disconnect()
    credentials = harness.credentials(stack, device.id)
    there = mqtt.Client(stack.gateways[0].listen["mqtt"])
    there.connect(device.id, *credentials, clean=False)
    there.subscribe(f"device/{device.id}/down/set/+")
    check_equal(error_of(lambda: set_level(stack, device, 50, timeout=2))[0],
                "DEVICE_TIMED_OUT", "a device that does not answer")
    sent = there.read()
    check_equal(sent.kind, mqtt.PUBLISH, "what it got, and does not acknowledge")
    there.reset()

    def expired():
        return metrics.scrape(stack.gateways[0].metrics).total("homeport_gateway_refusals_total",
                                                               reason="message_expired")
    def comes_back():
        back = mqtt.Client(stack.gateways[0].listen["mqtt"])
        check_equal(back.connect(device.id, *credentials, clean=False), (1, 0), "its session")
        back.send(12, 0, b"")
        first = back.read().kind
        back.reset()
        return first == mqtt.PINGRESP and expired()
    eventually(comes_back, "it comes back and is not asked")


def nobody_answers(stack, device):
    reason, metadata, _ = error_of(lambda: set_level(stack, device, 4000, timeout=2))
    check_equal((reason, metadata), ("DEVICE_TIMED_OUT", {"code": "-704053036"}), "a silent device")
    device.client.disconnect()
    eventually(lambda: error_of(lambda: set_level(stack, device, 4000))[:2] ==
               ("DEVICE_OFFLINE", {"code": "-704042011"}), "a device that has left")
    request_id = str(uuid.uuid4())
    check_equal(error_of(lambda: reset(stack, device, request_id))[0], "DEVICE_OFFLINE", "an action")
    back = Device(stack, device.id)
    with Answering(back, '{"code":0,"out":[7]}'):
        check_equal(reset(stack, device, request_id).results[0].int_value, 7,
                    "what never reached the device is tried again")
    back.client.disconnect()
