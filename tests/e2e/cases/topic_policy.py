"""What a product's policy allows beyond a device's own topics: general MQTT on two gateways, with
wills, shared subscriptions and retained messages; a policy that changes while sessions live; and the
end of the product."""

import grpc

import harness
import mqtt
from harness import check_equal, eventually

PRODUCT = "test.talker.one"
PARENT = "tenants/default"
BAD_USER_NAME = 0x86
NOT_AUTHORIZED = 0x87


def run(arguments):
    with harness.stack(arguments.bin) as stack:
        key = create_product(stack)
        talk(stack, key)
        refusals(stack, key)
        will(stack, key)
        tightened(stack, key)
        deleted(stack, key)


def policy(*rules):
    """Rules as (effect, actions, filters)."""
    from homeport.product.v1 import product_pb2
    made = product_pb2.TopicPolicy()
    for effect, actions, filters in rules:
        made.rules.add(effect=f"EFFECT_{effect}", actions=[f"ACTION_{a}" for a in actions.split()],
                       filters=filters)
    return made


RULES = (("ALLOW", "PUBLISH RETAIN", ["talk/${device}/#"]),
         ("ALLOW", "SUBSCRIBE", ["talk/#"]),
         ("DENY", "PUBLISH", ["talk/+/secret"]),
         ("DENY", "SUBSCRIBE", ["talk/z/#"]),
         ("ALLOW", "PUBLISH", ["quiet/${client}"]))


def create_product(stack):
    """Its fleet key."""
    from homeport.product.v1 import product_pb2
    products = stack.api.products(stack.registry.grpc)
    products.CreateProduct(product_pb2.CreateProductRequest(
        parent=PARENT, product_id=PRODUCT, product=product_pb2.Product(
            allow_unregistered=True, topic_policy=policy(*RULES))), timeout=10)
    return products.GetFleetKey(product_pb2.GetFleetKeyRequest(
        name=f"{PARENT}/products/{PRODUCT}"), timeout=10).fleet_key


def connect(stack, key, device, gateway=0, will=None):
    client = mqtt.Client(stack.gateways[gateway].listen["mqtt"], 5)
    username = f"{PRODUCT}/{device}"
    _, code = client.connect(device, username, mqtt.fleet_password(username, key), will=will)
    check_equal(code, 0, f"CONNECT of {device}")
    return client


def talk(stack, key):
    speaker, listener = connect(stack, key, "a", 0), connect(stack, key, "b", 1)
    check_equal(listener.subscribe("talk/a/#", "talk/a/open", "$share/group/talk/a/shared"),
                [1, 1, 1], "SUBACK of what is allowed")
    for topic in ("talk/a/hello", "talk/a/open"):
        check_equal(speaker.publish(topic, topic), 0, f"PUBACK of {topic}")
        check_equal(listener.message(), (topic, topic.encode()), "what was said")
    check_equal(speaker.publish("talk/a/kept", "kept", retain=True), 0, "PUBACK of a retained one")
    listener.message()
    late = connect(stack, key, "c", 0)
    late.subscribe("talk/a/kept")
    check_equal(late.message(), ("talk/a/kept", b"kept"), "the retained message")
    for client in (speaker, listener, late):
        client.disconnect()


def refusals(stack, key):
    client = connect(stack, key, "a")
    for topic in ("talk/b/hello", "talk/a/secret", "other", "quiet/b", "$SYS/x",
                  "device/b/up/properties"):
        check_equal(hex(client.publish(topic, "")), hex(NOT_AUTHORIZED), f"PUBACK of {topic}")
    check_equal(client.publish("quiet/a", ""), 0, "PUBACK of what is allowed")
    check_equal(hex(client.publish("quiet/a", "", retain=True)), hex(NOT_AUTHORIZED),
                "PUBACK of a message that may not be retained")
    for filter in ("#", "talk/#", "talk/+/+", "talk/z/x", "$share/g/#", "other/#", "+/hello",
                   "device/b/#"):
        check_equal(client.subscribe(filter), [NOT_AUTHORIZED], f"SUBACK of {filter}")
    client.disconnect()
    # Without a policy a device has its own topics only.
    device = harness.Device(stack, "plain", version=5)
    check_equal(hex(device.client.publish("talk/plain/x", "")), hex(NOT_AUTHORIZED), "no policy")
    check_equal(device.client.subscribe("talk/#"), [NOT_AUTHORIZED], "no policy")


def will(stack, key):
    listener = connect(stack, key, "b", 1)
    listener.subscribe("talk/a/gone", "talk/b/gone")
    for topic, arrives in (("talk/b/gone", False), ("talk/a/gone", True)):
        client = connect(stack, key, "a", 0, will=(topic, "gone"))
        client.close()  # without DISCONNECT
        if arrives:
            check_equal(listener.message(), (topic, b"gone"), "the will")
    listener.disconnect()


def tightened(stack, key):
    """Whoever follows what is no longer allowed is disconnected; what remains works on."""
    from homeport.product.v1 import product_pb2
    follower, other = connect(stack, key, "b", 1), connect(stack, key, "c", 0)
    follower.subscribe("talk/a/#")
    products = stack.api.products(stack.registry.grpc)
    name = f"{PARENT}/products/{PRODUCT}"
    products.UpdateProduct(product_pb2.UpdateProductRequest(product=product_pb2.Product(
        name=name, allow_unregistered=True,
        topic_policy=policy(("ALLOW", "PUBLISH SUBSCRIBE", ["new/#"])))), timeout=10)
    check_equal(follower.wait_closed(5), NOT_AUTHORIZED, "DISCONNECT of a follower")
    eventually(lambda: other.publish("new/x", "") == 0, "the session that stays has the new policy",
               5)
    check_equal(hex(other.publish("talk/c/x", "")), hex(NOT_AUTHORIZED), "the former policy")
    try:
        products.UpdateProduct(product_pb2.UpdateProductRequest(product=product_pb2.Product(
            name=name, topic_policy=policy(("ALLOW", "PUBLISH", ["a/#/b"])))), timeout=10)
        raise harness.Failed("a policy that cannot be was taken")
    except grpc.RpcError as error:
        check_equal(error.code(), grpc.StatusCode.INVALID_ARGUMENT, error.details())


def deleted(stack, key):
    """A product whose devices are gone can be deleted; then its fleet key lets nobody in, on any
    gateway, and nobody who comes with it is registered."""
    from homeport.device.v1 import device_pb2
    from homeport.product.v1 import product_pb2
    products = stack.api.products(stack.registry.grpc)
    devices = stack.api.devices(stack.registry.grpc)
    delete = product_pb2.DeleteProductRequest(name=f"{PARENT}/products/{PRODUCT}")
    try:
        products.DeleteProduct(delete, timeout=10)
        raise harness.Failed("a product with devices was deleted")
    except grpc.RpcError as error:
        check_equal(error.code(), grpc.StatusCode.FAILED_PRECONDITION, error.details())
    request = device_pb2.ListDevicesRequest(parent=PARENT, filter=f"product = {PRODUCT}",
                                            page_size=1000, show_deleted=True)
    for device in devices.ListDevices(request, timeout=10).devices:
        devices.DeleteDevice(device_pb2.DeleteDeviceRequest(name=device.name), timeout=10)
        devices.PurgeDevice(device_pb2.PurgeDeviceRequest(name=device.name), timeout=10)
    products.DeleteProduct(delete, timeout=10)
    names = (f"late-{i}" for i in range(1000))  # a name is refused when it comes too often
    for gateway in range(len(stack.gateways)):
        eventually(lambda: is_refused(stack, key, next(names), gateway),
                   "the fleet key of a deleted product is refused", 5)
    check_equal(len(devices.ListDevices(request, timeout=10).devices), 0, "devices of the product")


def is_refused(stack, key, device, gateway):
    client = mqtt.Client(stack.gateways[gateway].listen["mqtt"], 5)
    username = f"{PRODUCT}/{device}"
    try:
        _, code = client.connect(device, username, mqtt.fleet_password(username, key))
    except mqtt.Closed:  # it was known when the CONNECT came, and gone before it was answered
        return False
    client.close()
    return code in (BAD_USER_NAME, NOT_AUTHORIZED)
