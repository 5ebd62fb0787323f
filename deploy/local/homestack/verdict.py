"""Whether a run of ./dev up --for was good: the phone's rounds, and that nothing was lost."""

import re

from . import metrics
from .drain import await_drained
from .phone import Phone

DRAIN_SECONDS = 30.0
_SUMMARY = re.compile(r"event=summary .*")


class Verdict:
    """Made before the first device starts, so that it can count what the devices add."""

    def __init__(self, stack):
        self._stack = stack
        self._versions_before = self._versions()
        self.phone = None

    def start_phone(self):
        stack = self._stack
        self.phone = Phone(stack.api, stack.gateways, stack.registry.grpc, stack.redis.socket)
        self.phone.start()

    def give(self, interrupted):
        """Stops the devices, waits for the pipeline, prints a table; returns the exit code."""
        problems = ["interrupted before the time was over"] if interrupted else []
        problems += [f"{name} has ended; its log: {self._stack.log(name)}"
                     for name in self._stack.dead()]
        rows = []
        if self.phone:
            self.phone.stop()
            problems += self._judge_phone(rows)
        if self._stack.fleet:
            problems += self._judge_reports(rows)
        rows += [(f"{name} restarted", str(n)) for name, n in self._stack.restarts().items()]
        print("\nsummary")
        for title, value in rows:
            print(f"  {title:34} {value}")
        for problem in problems:
            print(f"FAILED: {problem}")
        print("all went well" if not problems else f"{len(problems)} failures", flush=True)
        return 1 if problems else 0

    def _judge_phone(self, rows):
        phone = self.phone
        for title, values in (("command round trip", phone.command_seconds),
                              ("report to watch", phone.watch_seconds)):
            if values:
                p50, p99 = metrics.percentile(values, 0.5), metrics.percentile(values, 0.99)
                rows.append((f"{title} p50/p99", f"{p50 * 1000:.1f}/{p99 * 1000:.1f} ms"))
        rows.append(("lamps set, seen and read back", f"{phone.good} of {phone.rounds}"))
        if phone.moved:
            rows.append(("rounds whose lamp left meanwhile", str(phone.moved)))
        problems = [f"phone: {what}" for what in phone.failures]
        if phone.good == 0:
            problems.append("phone: no lamp was ever set and seen")
        return problems

    def _judge_reports(self, rows):
        stack = self._stack
        children, reachable = (stack.database.number(
            f"SELECT count(*) FROM device child JOIN device hub ON hub.id = child.hub "
            f"WHERE hub.online {condition}") for condition in ("", "AND child.online"))
        code = stack.stop_fleet()
        problems = [] if code == 0 else [f"the fleet ended with code {code}: {stack.log('fleet')}"]
        fleet = fleet_summary(stack.log("fleet"))
        if not await_drained(stack, DRAIN_SECONDS):
            problems.append(f"the stream was not empty {DRAIN_SECONDS:.0f} s after the last report")
        committed = self._versions() - self._versions_before
        sent, acked = int(fleet.get("sent", 0)), int(fleet.get("acked", 0))
        rows += [("reports sent", str(sent)), ("reports acknowledged", str(acked)),
                 ("reports committed to shadows", str(committed)),
                 ("children behind hubs online", f"{reachable} of {children}")]
        if reachable < children and not any(stack.restarts().values()):
            problems.append(f"{children - reachable} children of hubs are offline")
        if acked == 0:
            problems.append("no report was acknowledged")
        if committed < acked:
            problems.append(f"{acked - committed} acknowledged reports are not in PostgreSQL")
        if int(fleet.get("refused", 0)) > 0:
            problems.append(f"{fleet['refused']} reports of devices were refused")
        if committed > sent:
            problems.append(f"{committed - sent} reports were applied more than once")
        return problems

    def _versions(self):
        return self._stack.database.number("SELECT coalesce(sum(version), 0) FROM shadow")


def fleet_summary(log):
    """The numbers of the fleet's last line `event=summary key=value ...`."""
    lines = _SUMMARY.findall(log.read_text(errors="replace"))
    return dict(pair.split("=", 1) for pair in lines[-1].split()[1:]) if lines else {}
