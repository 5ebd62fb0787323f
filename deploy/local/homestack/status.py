"""What ./dev up shows each second: a block redrawn on a terminal, one line elsewhere."""

import sys
import time

from . import metrics

SESSIONS = "homeport_gateway_sessions"
UPLINK_ACKED = "homeport_gateway_pubacks_sent_total"
LAG = "homeport_registry_stream_lag_entries"
COMMITS = "homeport_registry_shadow_versions_total"


class Status:
    def __init__(self, stack, phone=None, out=sys.stdout):
        self._stack = stack
        self._phone = phone
        self._out = out
        self._terminal = out.isatty()
        self._drawn = 0
        self._begun = time.monotonic()
        self._pages = {}

    def show(self):
        before, self._pages = self._pages, self._scrape()
        figures = self._figures(before)
        if self._terminal:
            self._redraw(self._block(figures))
        else:
            print(self._line(figures), file=self._out, flush=True)

    def say(self, line):
        """Prints a line above the block. Thread-safe enough: one write."""
        if self._terminal and self._drawn:
            self._out.write(f"\r\033[{self._drawn}A\033[J")
            self._drawn = 0
        print(line, file=self._out, flush=True)

    def _scrape(self):
        pods = [*self._stack.gateways, self._stack.registry]
        return {pod.name: metrics.scrape(pod.metrics) for pod in pods}

    def _figures(self, before):
        pages = self._pages
        gateways = [gateway.name for gateway in self._stack.gateways]

        def rates(names, metric):
            return sum(metrics.rate(before[n], pages[n], metric) for n in names if n in before)

        phone = self._phone
        return {
            "seconds": int(time.monotonic() - self._begun),
            "sessions": [int(pages[name].total(SESSIONS)) if pages[name] else None
                         for name in gateways],
            "reports": rates(gateways, UPLINK_ACKED),
            "lag": pages["registry"].total(LAG) if pages["registry"] else None,
            "commits": rates(["registry"], COMMITS),
            "command": _pair(phone.command_seconds[-100:]) if phone else "-",
            "watch": _pair(phone.watch_seconds[-100:]) if phone else "-",
            "phone": f"{phone.good} of {phone.rounds} good" if phone else "-",
            "last": phone.last if phone else "",
            "restarts": self._stack.restarts(),
        }

    @staticmethod
    def _line(f):
        sessions = "+".join("?" if s is None else str(s) for s in f["sessions"])
        lag = "?" if f["lag"] is None else f"{f['lag']:.0f}"
        restarts = "".join(f" restarted {name} {n}x" for name, n in f["restarts"].items())
        return (f"{f['seconds']:4d} s  sessions {sessions}  reports {f['reports']:.0f}/s  "
                f"lag {lag}  commits {f['commits']:.0f}/s  command p50/p99 {f['command']}  "
                f"watch p50/p99 {f['watch']}  phone {f['phone']}{restarts}")

    @staticmethod
    def _block(f):
        lag = "?" if f["lag"] is None else f"{f['lag']:.0f} batches"
        rows = [("running", f"{f['seconds']} s")]
        rows += [(f"gateway {i} sessions", "does not answer" if s is None else str(s))
                 for i, s in enumerate(f["sessions"])]
        rows += [("reports acknowledged", f"{f['reports']:.0f}/s"), ("stream lag", lag),
                 ("shadow commits", f"{f['commits']:.0f}/s"),
                 ("command round trip p50/p99", f["command"]),
                 ("report to watch p50/p99", f["watch"]), ("phone", f["phone"]),
                 ("", f["last"][:90])]
        rows += [("restarted", f"{name} {count} times") for name, count in f["restarts"].items()]
        return [f"  {title:28} {value}" for title, value in rows]

    def _redraw(self, lines):
        up = f"\r\033[{self._drawn}A\033[J" if self._drawn else ""
        self._out.write(up + "\n".join(lines) + "\n")
        self._out.flush()
        self._drawn = len(lines)


def _pair(seconds):
    p50, p99 = metrics.percentile(seconds, 0.5), metrics.percentile(seconds, 0.99)
    return "-" if p50 is None else f"{p50 * 1000:.1f}/{p99 * 1000:.1f} ms"
