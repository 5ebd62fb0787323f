"""How the pods of a stack are started: registry, gateways, the simulated fleet."""

import subprocess
import urllib.error
import urllib.request

from .process import Part
from .tokens import ISSUER


# Loopback addresses are never asked for through a proxy.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Pod(Part):
    """A Homeport binary with a metrics address."""

    def __init__(self, context, name, program):
        self.name = name
        self.context = context
        self.program = str(context.bin / program)
        self.metrics = context.state.address(f"{name}.metrics")

    def settings(self):
        """The pod's settings beyond those every pod has, as {name: value}."""
        raise NotImplementedError

    def command(self):
        settings = {"metrics-listen": self.metrics, **self.settings()}
        return [self.program, *(f"--{name}={value}" for name, value in settings.items())]

    def ready(self):
        return http_get(f"http://{self.metrics}/readyz")[0] == 200


class Registry(Pod):
    stage = 1

    def __init__(self, context, profile, name="registry"):
        super().__init__(context, name, "homeport-registry")
        self._profile = profile
        self.grpc = context.state.address(f"{name}.grpc")

    def settings(self):
        context = self.context
        return {"pod-name": self.name, "grpc-listen": self.grpc, "redis": context.redis.socket,
                "postgres": context.postgres.address(), "tls-cert": context.pki.server_cert,
                "tls-key": context.pki.server_key, "jwks-file": context.tokens.jwks,
                "token-issuer": ISSUER, "ca-key-file": context.pki.sealing_key,
                **REGISTRY_SETTINGS.get(self._profile, {}),
                **context.options.registry_settings}


# Protocol suites publish and subscribe faster than a device may, are slow to read what comes of it,
# ask for a server keep alive, and compare packets byte for byte.
CONFORMANCE = {"anonymous": "true", "keep-alive-s-min": 1, "keep-alive-s-max": 60,
               "session-expiry-s-max": 0xFFFFFFFF, "publishes-per-second": 20_000,
               "bytes-per-second": 64 << 20, "subscriptions-max": 500, "things-of-session-max": 1000,
               # MQTT.js has as many QoS 2 publishes under way as it is given.
               "inflight-max": 1000,
               "topic-bytes-max": 65_535, "topic-levels-max": 256, "user-properties-max": 10_000,
               "client-id-bytes-max": 65_535, "anonymous-denied-filter": "test/nosubscribe",
               "reason-strings": "false", "tell-no-subscribers": "true",
               # Members of a shared subscription take turns within a reactor.
               "reactors": 1,
               "waiting-messages-max": 50_000, "waiting-bytes-max": 64 << 20,
               "queue-messages-max": 20_000,
               "queue-bytes-max": 64 << 20, "output-bytes-max": 16 << 20}
# Suites and benches connect one client id many times a second.
RESTLESS = {"client-connects-per-second": 0, "flapping-connects": 0,
            "tenant-messages-per-second": 0}
# Whoever has the stack's tokens sees the shadows that anonymous clients made.
REGISTRY_SETTINGS = {"conformance": {"device-clients-max": 2000, "anonymous-tenant": "default"}}
PROFILE_SETTINGS = {"demo": {}, "bench": RESTLESS, "conformance": {**CONFORMANCE, **RESTLESS}}


class Gateway(Pod):
    stage = 2
    LISTENERS = ("mqtt", "mqtts", "ws", "wss", "grpc")

    def __init__(self, context, index, profile, more_settings):
        super().__init__(context, f"gateway-{index}", "homeport-gateway")
        self.index = index
        self._more_settings = {**PROFILE_SETTINGS[profile], **more_settings}
        known = known_settings(self.program)
        self.listen = {kind: context.state.address(f"{self.name}.{kind}")
                       for kind in self.LISTENERS if f"{kind}-listen" in known}

    def settings(self):
        context = self.context
        settings = {"pod-name": self.name, "redis": context.redis.socket,
                    "registry-grpc": context.registry.grpc, "registry-ca": context.pki.ca_cert,
                    "service-token-file": context.tokens.service_file,
                    "tls-cert": context.pki.server_cert, "tls-key": context.pki.server_key,
                    "jwks-file": context.tokens.jwks, "token-issuer": ISSUER,
                    # Every client of this stack comes from the one loopback address.
                    "source-connects-per-second": 0}
        settings.update({f"{kind}-listen": address for kind, address in self.listen.items()})
        return {**settings, **self._more_settings}


class Fleet(Pod):
    stage = 3
    stop_seconds = 40.0  # its devices finish what is in flight and say goodbye

    def __init__(self, context, devices):
        super().__init__(context, "fleet", "homeport-fleet")
        self._devices = devices

    def settings(self):
        context = self.context
        return {"mqtts": ",".join(g.listen["mqtts"] for g in context.gateways),
                "ca": context.pki.ca_cert, "registry-grpc": context.registry.grpc,
                "token-file": context.tokens.admin_file, "devices": self._devices}


def known_settings(program):
    """The names of a binary's settings, read from its --help."""
    text = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=10,
                          ).stdout
    return {word.split("=")[0].lstrip("-").rstrip(",") for word in text.split()
            if word.startswith("--")}


def http_get(url, timeout=2.0):
    """(status, body); status 0 where nobody answered."""
    try:
        with _OPENER.open(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""
