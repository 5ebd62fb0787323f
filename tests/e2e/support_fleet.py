"""Finds devices of the simulated fleet."""

import grpc

from homestack.phone import Phone

from harness import Failed, eventually


def find_lamp(stack):
    """(device id, a brightness it does not have now) of a lamp that is online."""
    phone = Phone(stack.api, stack.gateways, stack.registry.grpc, stack.redis.socket)

    def lamps():
        try:
            return phone.find_lamps()
        except grpc.RpcError as error:
            raise Failed(f"listing lamps: {error.code().name}: {error.details()}") from None

    name, smallest, largest = eventually(lamps, "a lamp of the fleet is online", 20)[0]
    from homeport.control.v1 import control_pb2
    state = stack.api.control(stack.gateways[0].listen["grpc"]).GetProperties(
        control_pb2.GetPropertiesRequest(name=name), timeout=5)
    now = {p.property.name: p.value.int_value for p in state.properties}.get("light.brightness")
    return name.rsplit("/", 1)[1], largest if now != largest else smallest
