"""mosquitto_pub and mosquitto_sub with a fleet key report a property and receive a set."""

import subprocess
import threading

from homestack import bench_product

import harness
from harness import check, check_equal, eventually

DEVICE = "mosquitto-1"


def run(arguments):
    with harness.stack(arguments.bin) as stack:
        options = mosquitto_options(stack)
        report(stack, options)
        receive_set(stack, options)
        refuse_wrong_password(stack, options)


def mosquitto_options(stack):
    username = f"{bench_product.PRODUCT}/{DEVICE}"
    host, port = stack.gateways[0].listen["mqtts"].rsplit(":", 1)
    return ["-h", "localhost" if host == "127.0.0.1" else host, "-p", port,
            "--cafile", str(stack.pki.ca_cert), "-V", "5", "-u", username,
            "-P", password_by_openssl(username, stack.bench_fleet_key())]


def password_by_openssl(username, fleet_key):
    """The README's way."""
    line = (f"printf %s '{username}' | openssl dgst -sha256 -hmac '{fleet_key}' |"
            " awk '{print $NF}'")
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True,
                          check=True).stdout.strip()


def report(stack, options):
    result = subprocess.run(
        ["mosquitto_pub", *options, "-i", DEVICE, "-q", "1", "-t", f"device/{DEVICE}/up/properties",
         "-m", '{"params":[{"siid":2,"piid":1,"value":42}]}'], capture_output=True, text=True,
        timeout=20)
    check_equal((result.returncode, result.stderr), (0, ""), "mosquitto_pub of a report")
    eventually(lambda: harness.reported(stack, DEVICE)[0].get("bench.value") == 42,
               "bench.value is 42 in the shadow")


def receive_set(stack, options):
    """mosquitto_sub is the device: it prints the set, and mosquitto_pub answers for it."""
    from homeport.control.v1 import control_pb2
    device = subprocess.Popen(
        ["mosquitto_sub", *options, "-i", DEVICE, "-q", "1", "-C", "1", "-F", "%t %p",
         "-t", f"device/{DEVICE}/down/set/+"], stdout=subprocess.PIPE, text=True)
    answered = threading.Thread(target=answer_set, args=(device, options), daemon=True)
    answered.start()
    control = stack.api.control(stack.gateways[1].listen["grpc"])
    request = control_pb2.SetPropertiesRequest(name=f"tenants/default/devices/{DEVICE}")
    wanted = request.properties.add()
    wanted.property.name, wanted.value.int_value = "bench.value", 7

    def set_once_subscribed():
        import grpc
        try:
            return control.SetProperties(request, timeout=10)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.FAILED_PRECONDITION:
                raise
            return None

    response = eventually(set_once_subscribed, "the device is connected and subscribed")
    answered.join(10)
    check_equal(control_pb2.Outcome.Name(response.outcome), "OUTCOME_DONE", "outcome of the set")


def answer_set(device, options):
    topic, payload = device.stdout.readline().strip().split(" ", 1)
    check('"value":7' in payload.replace(" ", ""), f"the set's payload: {payload}")
    request = topic.rsplit("/", 1)[1]
    subprocess.run(["mosquitto_pub", *options, "-i", f"{DEVICE}-answer", "-q", "1",
                    "-t", f"device/{DEVICE}/up/reply/{request}",
                    "-m", '{"code":0,"params":[{"siid":2,"piid":1,"code":0}]}'], timeout=20,
                   check=True)


def refuse_wrong_password(stack, options):
    wrong = options[:-1] + ["0" * 64]
    result = subprocess.run(["mosquitto_pub", *wrong, "-i", DEVICE, "-q", "1",
                             "-t", f"device/{DEVICE}/up/properties", "-m", "{}"],
                            capture_output=True, text=True, timeout=20)
    check(result.returncode != 0, "mosquitto_pub with a wrong password was let in")
