"""The stack's gRPC clients: Python code made from proto/ at run time, channels, tokens."""

import subprocess
import sys
from pathlib import Path

import grpc
from google.protobuf.any_pb2 import Any

from .state import StackError

PROTO = Path(__file__).resolve().parents[3] / "proto"


def generate_stubs(folder):
    """Writes Python code for every .proto to `folder` and makes it importable."""
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    result = subprocess.run(
        ["protoc", "-I", str(PROTO), f"--python_out={folder}", f"--grpc_out={folder}",
         "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin", *files],
        capture_output=True, text=True)
    if result.returncode != 0:
        raise StackError(f"protoc failed:\n{result.stderr}")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


class Api:
    """Channels to the services of one stack. REQUIRES: generate_stubs() before."""

    def __init__(self, ca_file, token):
        self._credentials = grpc.composite_channel_credentials(
            grpc.ssl_channel_credentials(Path(ca_file).read_bytes()),
            grpc.access_token_call_credentials(token))
        self._channels = {}

    def channel(self, address):
        if address not in self._channels:
            # The pods listen on 127.0.0.1, which their certificate names.
            self._channels[address] = grpc.secure_channel(address, self._credentials, options=[
                ("grpc.enable_http_proxy", 0), ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 1000)])
        return self._channels[address]

    def control(self, address):
        from homeport.control.v1 import control_pb2_grpc
        return control_pb2_grpc.ControlServiceStub(self.channel(address))

    def sessions(self, address):
        from homeport.session.v1 import session_pb2_grpc
        return session_pb2_grpc.SessionServiceStub(self.channel(address))

    def products(self, address):
        from homeport.product.v1 import product_pb2_grpc
        return product_pb2_grpc.ProductServiceStub(self.channel(address))

    def models(self, address):
        from homeport.product.v1 import model_pb2_grpc
        return model_pb2_grpc.ModelServiceStub(self.channel(address))

    def devices(self, address):
        from homeport.device.v1 import device_pb2_grpc
        return device_pb2_grpc.DeviceServiceStub(self.channel(address))

    def credentials(self, address):
        from homeport.credential.v1 import credential_pb2_grpc
        return credential_pb2_grpc.CredentialServiceStub(self.channel(address))

    def provisioning(self, address):
        from homeport.provisioning.v1 import provisioning_pb2_grpc
        return provisioning_pb2_grpc.ProvisioningServiceStub(self.channel(address))

    def shadows(self, address):
        from homeport.shadow.v1 import shadow_pb2_grpc
        return shadow_pb2_grpc.ShadowServiceStub(self.channel(address))

    def presence(self, address):
        from homeport.presence.v1 import presence_pb2_grpc
        return presence_pb2_grpc.PresenceServiceStub(self.channel(address))

    def topology(self, address):
        from homeport.topology.v1 import topology_pb2_grpc
        return topology_pb2_grpc.TopologyServiceStub(self.channel(address))

    def history(self, address):
        from homeport.history.v1 import history_pb2_grpc
        return history_pb2_grpc.HistoryServiceStub(self.channel(address))

    def close(self):
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()


def error_reason(error):
    """The ErrorInfo.reason of a grpc.RpcError, empty where it has none."""
    from google.rpc import status_pb2
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                if detail.type_url.endswith("google.rpc.ErrorInfo"):
                    return _unpack(detail, status_pb2.ErrorInfo()).reason
    return ""


def _unpack(detail: Any, message):
    message.ParseFromString(detail.value)
    return message
