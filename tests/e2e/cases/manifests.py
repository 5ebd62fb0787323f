"""deploy/k8s renders, and what it renders holds together: references, selectors, ports, security,
time to drain, settings that the binaries know and that roll the pods when they change."""

import re
import shutil
import subprocess

import yaml

from homestack.pods import known_settings

import harness
from harness import check_equal

K8S = harness.REPOSITORY / "deploy" / "k8s"
# What an operator brings, named in base/kustomization.yaml.
EXTERNAL = {("Secret", "homeport-postgres"), ("Secret", "homeport-redis"),
            ("Secret", "homeport-tls"), ("Secret", "homeport-service-token"),
            ("Secret", "homeport-tickets"), ("ConfigMap", "homeport-jwks")}
PROGRAMS = ("homeport-gateway", "homeport-registry")


def run(arguments):
    if not shutil.which("kubectl"):
        raise harness.Skipped("there is no kubectl on this machine")
    settings = {program: known_settings(str(arguments.bin / program)) for program in PROGRAMS}
    for folder in (K8S / "base", K8S / "overlays" / "example"):
        rendered = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True,
                                  text=True, timeout=60)
        check_equal(rendered.returncode, 0, f"kubectl kustomize {folder}: {rendered.stderr}")
        objects = [o for o in yaml.safe_load_all(rendered.stdout) if o]
        Judge(objects, settings, folder.name).all()


class Judge:
    def __init__(self, objects, settings, name):
        self.objects = objects
        self.settings = settings
        self.name = name
        self.workloads = [o for o in objects if o["kind"] in ("Deployment", "Job")]

    def all(self):
        check_equal(len(self.of("Deployment")), 2, f"{self.name}: deployments")
        for workload in self.workloads:
            self.pod_is_confined(workload)
            for container in pod(workload)["containers"]:
                self.container_is_confined(workload, container)
                self.references_exist(workload, container)
                self.settings_are_known(workload, container)
        for deployment in self.of("Deployment"):
            self.probes_and_drain(deployment)
            self.memory_is_promised_once(deployment)
            self.is_spread(deployment)
            self.is_protected(deployment)
        for service in self.of("Service"):
            self.service_reaches_pods(service)

    def of(self, kind):
        return [o for o in self.objects if o["kind"] == kind]

    def fail(self, workload, what):
        raise harness.Failed(
            f"{self.name}: {workload['kind']} {workload['metadata']['name']}: {what}")

    def require(self, condition, workload, what):
        if not condition:
            self.fail(workload, what)

    def pod_is_confined(self, workload):
        spec = pod(workload)
        security = spec["securityContext"]
        self.require(security["runAsNonRoot"] and security["runAsUser"] > 0, workload,
                     "runs as root")
        self.require(security["seccompProfile"]["type"] == "RuntimeDefault", workload, "seccomp")
        self.require(spec["automountServiceAccountToken"] is False, workload, "a token is mounted")

    def container_is_confined(self, workload, container):
        security = container["securityContext"]
        self.require(security["readOnlyRootFilesystem"], workload, "root file system is writable")
        self.require(not security["allowPrivilegeEscalation"], workload, "privilege escalation")
        self.require(security["capabilities"]["drop"] == ["ALL"], workload, "capabilities")
        self.require({"cpu", "memory"} <= container["resources"]["requests"].keys(), workload,
                     "requests")
        self.require("memory" in container["resources"]["limits"], workload, "no memory limit")
        self.require(":" in container["image"], workload, "the image has no tag")

    def references_exist(self, workload, container):
        known = EXTERNAL | {(o["kind"], o["metadata"]["name"]) for o in self.objects}
        wanted = [("ConfigMap", e["configMapRef"]["name"]) for e in container.get("envFrom", ())]
        for variable in container.get("env", ()):
            source = variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                wanted.append(("Secret", source["secretKeyRef"]["name"]))
        for volume in pod(workload).get("volumes", ()):
            if "secret" in volume:
                wanted.append(("Secret", volume["secret"]["secretName"]))
            if "configMap" in volume:
                wanted.append(("ConfigMap", volume["configMap"]["name"]))
        for source in container.get("envFrom", ()):
            name = source["configMapRef"]["name"]
            self.require(re.search("-[a-z0-9]{10}$", name), workload,
                         f"{name} has no hash: a change of it would roll no pod")
        for reference in wanted + [("ServiceAccount", pod(workload)["serviceAccountName"])]:
            self.require(reference in known, workload, f"{reference} does not exist")
        volumes = {v["name"] for v in pod(workload).get("volumes", ())}
        for mount in container.get("volumeMounts", ()):
            self.require(mount["name"] in volumes, workload, f"no volume {mount['name']}")

    def settings_are_known(self, workload, container):
        program = container["command"][0]
        known = self.settings[program]
        for name, value in self.environment(container).items():
            setting = name.removeprefix("HOMEPORT_").lower().replace("_", "-")
            # The shared ConfigMap also holds what only one of the programs reads.
            self.require(setting in known or self.is_shared(name), workload,
                         f"{name}: unknown setting")
            mounts = [m["mountPath"] for m in container.get("volumeMounts", ())]
            if value.startswith("/"):
                self.require(any(value.startswith(m + "/") for m in mounts), workload,
                             f"{name}: {value} is on no volume")
        for argument in container["command"][1:]:
            self.require(argument.lstrip("-").split("=")[0] in known, workload,
                         f"{argument}: unknown")

    def is_shared(self, name):
        setting = name.removeprefix("HOMEPORT_").lower().replace("_", "-")
        return any(setting in known for known in self.settings.values())

    def environment(self, container):
        """Names and values; the value of a reference is empty."""
        found = {}
        for source in container.get("envFrom", ()):
            name = source["configMapRef"]["name"]
            found.update(next(o["data"] for o in self.of("ConfigMap")
                              if o["metadata"]["name"] == name))
        found.update({v["name"]: v.get("value", "") for v in container.get("env", ())})
        return found

    def probes_and_drain(self, deployment):
        container = pod(deployment)["containers"][0]
        ports = {p["name"]: p["containerPort"] for p in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            get = container[probe]["httpGet"]
            self.require(get["port"] in ports, deployment, f"{probe}: no port {get['port']}")
        environment = self.environment(container)
        for name, value in environment.items():
            if name.endswith("_LISTEN"):
                port = int(value.rsplit(":", 1)[1])
                self.require(port in ports.values(), deployment,
                             f"{name}: port {port} not declared")
        drain = int(environment.get("HOMEPORT_DRAIN_MS_MAX", 30000)) / 1000
        pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        self.require(pod(deployment)["terminationGracePeriodSeconds"] > pause + drain, deployment,
                     "terminationGracePeriodSeconds is shorter than preStop and drain")
        if not any(name.startswith("HOMEPORT_DRAIN") for name in environment):
            return
        ready = deployment["spec"]["minReadySeconds"]
        self.require(ready >= pod(deployment)["terminationGracePeriodSeconds"], deployment,
                     "minReadySeconds is shorter than the end of the pod before")
        self.require(deployment["spec"]["progressDeadlineSeconds"] > 2 * ready, deployment,
                     "progressDeadlineSeconds leaves no time to start")

    def memory_is_promised_once(self, deployment):
        resources = pod(deployment)["containers"][0]["resources"]
        check_equal(resources["requests"]["memory"], resources["limits"]["memory"],
                    f"{self.name}: {deployment['metadata']['name']}: memory asked for")

    def is_spread(self, deployment):
        check_equal([(c["topologyKey"], c["whenUnsatisfiable"])
                     for c in pod(deployment)["topologySpreadConstraints"]],
                    [("kubernetes.io/hostname", "ScheduleAnyway"),
                     ("topology.kubernetes.io/zone", "ScheduleAnyway")],
                    f"{self.name}: {deployment['metadata']['name']}: spread")

    def is_protected(self, deployment):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        self.require(matches(deployment["spec"]["selector"]["matchLabels"], labels), deployment,
                     "the selector misses its own pods")
        self.require(any(matches(b["spec"]["selector"]["matchLabels"], labels)
                         for b in self.of("PodDisruptionBudget")), deployment,
                     "no disruption budget")

    def service_reaches_pods(self, service):
        selector = service["spec"]["selector"]
        found = [d for d in self.of("Deployment")
                 if matches(selector, d["spec"]["template"]["metadata"]["labels"])]
        check_equal(len(found), 1, f"{self.name}: deployments behind {service['metadata']['name']}")
        names = {p["name"] for p in pod(found[0])["containers"][0]["ports"]}
        for port in service["spec"]["ports"]:
            self.require(port["targetPort"] in names, service, f"no port {port['targetPort']}")


def pod(workload):
    return workload["spec"]["template"]["spec"]


def matches(selector, labels):
    return all(labels.get(key) == value for key, value in selector.items())
