#!/usr/bin/python3
"""A phone in Python: reads a device, sets a property, and watches it change.

Uses only python3-grpcio and code that protoc made from proto/ (folder STUBS). Prints one line for
each thing it sees. Usage: phone.py STUBS GATEWAY CA_FILE TOKEN DEVICE PROPERTY VALUE
"""

import sys

stubs, gateway, ca_file, token, device, prop, value = sys.argv[1:]
sys.path.insert(0, stubs)

import grpc  # noqa: E402
from homeport.control.v1 import control_pb2, control_pb2_grpc  # noqa: E402

with open(ca_file, "rb") as ca:
    credentials = grpc.composite_channel_credentials(grpc.ssl_channel_credentials(ca.read()),
                                                     grpc.access_token_call_credentials(token))
control = control_pb2_grpc.ControlServiceStub(grpc.secure_channel(gateway, credentials))
name = f"tenants/-/devices/{device}"

state = control.GetProperties(control_pb2.GetPropertiesRequest(name=name), timeout=5)
print(f"online={state.online} version={state.shadow_version}")
for item in state.properties:
    print(f"  {item.property.name} = {getattr(item.value, item.value.WhichOneof('kind'))}")

events = control.Watch(control_pb2.WatchRequest(names=[name]), timeout=30)
print(control_pb2.WatchEvent.Kind.Name(next(events).kind))

request = control_pb2.SetPropertiesRequest(name=name)
wanted = request.properties.add()
wanted.property.name = prop
wanted.value.int_value = int(value)
print(control_pb2.Outcome.Name(control.SetProperties(request, timeout=10).outcome))

for event in events:
    changed = {p.property.name: p.value.int_value for p in event.properties}
    if changed.get(prop) == int(value):
        print(f"seen {prop} = {value} at version {event.shadow_version}")
        break
events.cancel()
