"""deploy/monitoring against a live stack and a real Prometheus: promtool accepts the files, every
query of the dashboard returns data, and the measured side of every alert exists."""

import json
import re
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

import yaml

from homestack.phone import Phone
from homestack.pods import http_get
from homestack.process import MORTAL

import harness
import mqtt
from harness import Device, check, check_equal, eventually

FOLDER = harness.REPOSITORY / "deploy" / "monitoring"
DATA_SECONDS = 60
# A comparison at the end of an alert's expression: left of it stands what is measured.
THRESHOLD = re.compile(r"^(.*\S)\s*(?:[<>]=?|[=!]=)\s*[-\d.e]+\s*$", re.S)


def run(arguments):
    promtool("check", "config", FOLDER / "prometheus.yml")
    promtool("check", "rules", "--lint=all", FOLDER / "rules.yml")
    promtool("test", "rules", FOLDER / "rules_test.yml")
    with harness.stack(arguments.bin, fleet=40, profile="demo") as stack, \
            Prometheus(stack) as server:
        phone = Phone(stack.api, stack.gateways, stack.registry.grpc, stack.redis.socket)
        phone.start()
        refuse_something(stack)
        empty = list(expressions())
        deadline = time.monotonic() + DATA_SECONDS
        while empty and time.monotonic() < deadline:
            empty = [(what, expression) for what, expression in empty
                     if not server.has_data(expression)]
            time.sleep(0.5)
        phone.stop()
        check(not empty, "no data for\n  " + "\n  ".join(f"{what}: {e}" for what, e in empty)
              + f"\nthe phone: {phone.last}")


def promtool(*arguments):
    result = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True,
                            timeout=60)
    check_equal(result.returncode, 0, f"promtool {' '.join(map(str, arguments[:2]))}: "
                f"{result.stdout}{result.stderr}")


def refuse_something(stack):
    """A refusal makes its series when it happens first."""
    harness.reported(stack, "nobody")
    for gateway in stack.gateways:
        client = mqtt.Client(gateway.listen["mqtt"], 5)
        client.connect("nobody", "no.such.product/nobody", "x")
    device = Device(stack, "refused-1")
    device.report('{"params":[{"siid":2,"piid":2,"value":101}]}')
    device.client.message()


def expressions():
    """(where, PromQL) of every panel target, and of the left side of every alert."""
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            yield f"panel {panel['title']!r}", concrete(target["expr"])
    for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                match = THRESHOLD.match(rule["expr"])
                check(match, f"alert {rule['alert']}: no threshold at the end of {rule['expr']!r}")
                yield f"alert {rule['alert']}", soon(match.group(1))
            else:
                yield f"rule {rule['record']}", soon(rule["expr"])


def soon(expression):
    """Looks back for seconds, where the rule does for minutes."""
    return re.sub(r"offset \d+m", "offset 3s", re.sub(r"\[\d+m\]", "[10s]", expression))


def panels(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def concrete(expression):
    for variable, value in (("$__rate_interval", "10s"), ("$__interval", "1s"), ("$__range", "10s"),
                            ("$namespace", ".*"), ("$pod", ".*")):
        expression = expression.replace(variable, value)
    check("$" not in expression, f"an unknown variable in {expression}")
    return expression


class Prometheus:
    """Debian's Prometheus, scraping the pods of a stack each second."""

    def __init__(self, stack):
        self._stack = stack
        self._address = stack.state.address("prometheus")
        self._folder = tempfile.TemporaryDirectory(prefix="homeport-prometheus-")
        self._process = None

    def __enter__(self):
        folder = Path(self._folder.name)
        gateways = [g.metrics for g in self._stack.gateways]
        jobs = {"homeport-gateway": gateways, "homeport-registry": [self._stack.registry.metrics]}
        (folder / "prometheus.yml").write_text(yaml.safe_dump({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(FOLDER / "rules.yml")],
            "scrape_configs": [{"job_name": name, "static_configs": [
                {"targets": targets, "labels": {"namespace": "local"}}]}
                for name, targets in jobs.items()]}))
        log = open(folder / "log", "wb")
        self._process = subprocess.Popen(
            [*MORTAL, "prometheus", f"--config.file={folder}/prometheus.yml",
             f"--storage.tsdb.path={folder}/data", f"--web.listen-address={self._address}"],
            stdout=log, stderr=log)
        eventually(lambda: http_get(f"http://{self._address}/-/ready")[0] == 200,
                   "Prometheus is ready", 20)
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def has_data(self, expression):
        query = urllib.parse.urlencode({"query": expression})
        status, body = http_get(f"http://{self._address}/api/v1/query?{query}")
        check_equal(status, 200, f"Prometheus refuses {expression}: {body}")
        return any(sample["value"][1] != "NaN" for sample in json.loads(body)["data"]["result"])
