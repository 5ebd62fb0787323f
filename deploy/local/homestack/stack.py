"""One Homeport: private Redis and PostgreSQL, a registry, gateways and, if wanted, a fleet."""

import resource
import signal
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from . import api, bench_product, identities, pki
from .pki import Pki
from .pods import Fleet, Gateway, Registry
from .postgres import Database, PostgresServer
from .process import Supervisor, stop_left_over
from .redis import RedisServer
from .state import State, StackError
from .tokens import Tokens

REPOSITORY = Path(__file__).resolve().parents[3]
PROFILES = ("demo", "conformance", "bench")


@dataclass
class Options:
    state: Path = REPOSITORY / ".homeport"
    bin: Path = REPOSITORY / "build" / "release" / "bin"
    devices: int = 200
    gateways: int = 2
    profile: str = "demo"
    restart: bool = True
    gateway_settings: dict = field(default_factory=dict)  # beyond those every stack gives
    registry_settings: dict = field(default_factory=dict)
    shared_buffers_mb: int = 256  # of PostgreSQL


class Stack:
    """Built from Options; start() returns when everything is ready, stop() ends it all.

    The attributes redis, postgres, registry, gateways, pki and tokens are what one part needs to
    know of the others when its command line is made.
    """

    def __init__(self, options, say=print):
        self.options = options
        self.bin = Path(options.bin)
        self.state = State(options.state)
        self._say = say
        self._supervisor = Supervisor(self.state, options.restart, self._rewrite_env,
                                      lambda line: self._say(line))
        self._bench_fleet_key = ""
        self.pki = Pki(self.state)
        self.tokens = Tokens(self.state)
        self.redis = self.postgres = self.registry = self.fleet = self.api = self.database = None
        self.gateways = []

    # ---- life ----

    def start(self):
        for program in ("homeport-registry", "homeport-gateway", "homeport-fleet"):
            if not (self.bin / program).exists():
                raise StackError(f"{self.bin / program} is missing: run ./dev build")
        raise_file_limit()
        self.state.create()
        self.state.lock()
        self.state.remove_env()
        for name in stop_left_over(self.state):
            self._say(f"stopped {name}, left over from an earlier run")
        self.pki.ensure()
        self.tokens.ensure()
        api.generate_stubs(self.state.path("stubs"))
        self.api = api.Api(self.pki.ca_cert, self.tokens.admin())
        self._start_stores()
        self._start_pods()
        self._supervisor.watch()

    def _start_stores(self):
        self._say("starting Redis")
        self.redis = RedisServer(self.state)
        self._supervisor.start(self.redis)
        self._say("starting PostgreSQL")
        self.postgres = PostgresServer(self.state, self.options.shared_buffers_mb)
        self._supervisor.start(self.postgres)
        self.database = Database(self.postgres.address())

    def _start_pods(self):
        self._say("starting the registry")
        self.registry = Registry(self, self.options.profile)
        self._supervisor.start(self.registry)
        try:
            self._bench_fleet_key = bench_product.ensure(self.api, self.registry.grpc)
            identities.ensure(self.api, self.registry.grpc, self.pki)
        except grpc.RpcError as error:
            raise StackError("the registry does not take the stack's product or identities: "
                             f"{error.code().name}: {error.details()}") from None
        for index in range(self.options.gateways):
            self._say(f"starting gateway {index}")
            self.add_gateway()

    def add_gateway(self):
        """One more gateway, which is ready on return."""
        gateway = Gateway(self, len(self.gateways), self.options.profile,
                          self.options.gateway_settings)
        self._supervisor.start(gateway)
        self.gateways.append(gateway)
        return gateway

    def add(self, part):
        """Starts one more part, kept alive like the others."""
        self._supervisor.start(part)

    def start_fleet(self):
        self.fleet = Fleet(self, self.options.devices)
        self._supervisor.start(self.fleet)

    def stop_fleet(self):
        """Lets the devices say goodbye; returns the exit code of the fleet."""
        return self._supervisor.stop("fleet")

    def kill(self, name, number=signal.SIGKILL):
        """Ends a part by a signal; it is started again unless the stack leaves dead parts dead."""
        self._supervisor.kill(name, number)

    def stop(self):
        if self.api:
            self.api.close()
        if not self.state.locked:
            return  # never started: what lies in the folder is another stack's
        self._say("stopping")
        self._supervisor.stop_all()
        self.state.remove_env()

    def set_say(self, say):
        """Where lines for people go from now on."""
        self._say = say

    # ---- what others ask ----

    def pid(self, name):
        return self._supervisor.pid(name)

    def restarts(self):
        return self._supervisor.restarts()

    def wrong_ends(self):
        return self._supervisor.wrong_ends()

    def dead(self):
        return self._supervisor.dead()

    def log(self, name):
        return self.state.path("log", name + ".log")

    def bench_fleet_key(self):
        return self._bench_fleet_key

    def env(self):
        variables = {}
        for gateway in self.gateways:
            for kind, address in gateway.listen.items():
                variables[f"HOMEPORT_{kind.upper()}_{gateway.index}"] = address
            variables[f"HOMEPORT_METRICS_{gateway.index}"] = gateway.metrics
            variables[f"HOMEPORT_GATEWAY_PID_{gateway.index}"] = self.pid(gateway.name)
        variables.update({
            "HOMEPORT_REGISTRY_GRPC": self.registry.grpc,
            "HOMEPORT_REGISTRY_METRICS": self.registry.metrics,
            "HOMEPORT_REGISTRY_PID": self.pid("registry"),
            "HOMEPORT_REDIS": self.redis.socket,
            "HOMEPORT_POSTGRES": self.postgres.address(),
            "HOMEPORT_REDIS_PID": self.pid("redis"),
            "HOMEPORT_POSTGRES_PID": self.pid("postgres"),
            "HOMEPORT_CA": self.pki.ca_cert,
            "HOMEPORT_ADMIN_TOKEN": self.tokens.admin(),
            "HOMEPORT_BIN": self.bin,
            "HOMEPORT_BENCH_PRODUCT": bench_product.PRODUCT,
            "HOMEPORT_BENCH_FLEET_KEY": self._bench_fleet_key,
            "HOMEPORT_DEVICE_CA": self.pki.device_ca_cert,
            "HOMEPORT_DEVICE_CA_KEY": self.pki.device_ca_key,
            "HOMEPORT_DEVICE_ID": pki.SAMPLE_DEVICE,
            "HOMEPORT_DEVICE_CERT": self.pki.device_cert,
            "HOMEPORT_DEVICE_KEY": self.pki.device_key,
            "HOMEPORT_CLAIM_CERT": self.pki.claim_cert,
            "HOMEPORT_CLAIM_KEY": self.pki.claim_key,
            "HOMEPORT_PROVISIONING_TEMPLATE": identities.TEMPLATE,
        })
        return variables

    def write_env(self):
        """The file whose existence says that the stack is up."""
        self.state.write_env(self.env())

    def _rewrite_env(self):
        if self.state.path("env").exists():
            self.write_env()


def raise_file_limit():
    """As many descriptors as the system allows: each session of a device is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
