"""Reads /metrics pages: values, rates between two pages, quantiles of histograms."""

import re
import time

from .pods import http_get

_LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Page:
    """One scrape of one pod; empty where the pod did not answer."""

    def __init__(self, text=""):
        self.time = time.monotonic()
        self.samples = {}
        for line in text.splitlines():
            match = _LINE.match(line)
            if match and not line.startswith("#"):
                labels = dict(_LABEL.findall(match.group(2) or ""))
                self.samples.setdefault(match.group(1), []).append((labels, float(match.group(3))))

    def __bool__(self):
        return bool(self.samples)

    def total(self, name, **labels):
        """The sum over all series of `name` that carry `labels`."""
        return sum(value for found, value in self.samples.get(name, ())
                   if all(found.get(k) == v for k, v in labels.items()))

    def largest(self, name):
        return max((value for _, value in self.samples.get(name, ())), default=0.0)

    def buckets(self, name, **labels):
        """{upper bound: count} of a histogram, summed over its series."""
        found = {}
        for sample, value in self.samples.get(name + "_bucket", ()):
            if all(sample.get(k) == v for k, v in labels.items()):
                bound = float(sample["le"])
                found[bound] = found.get(bound, 0.0) + value
        return found


def scrape(address):
    status, text = http_get(f"http://{address}/metrics")
    return Page(text if status == 200 else "")


def rate(before, after, name, **labels):
    """Per second; 0 where a page is missing or the pod restarted in between."""
    seconds = after.time - before.time
    if not before or not after or seconds <= 0:
        return 0.0
    return max(0.0, (after.total(name, **labels) - before.total(name, **labels)) / seconds)


def quantile(buckets, q):
    """As Prometheus's histogram_quantile: linear inside a bucket. None without observations."""
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0
    if total <= 0:
        return None
    lower, below = 0.0, 0.0
    for bound in bounds:
        count = buckets[bound]
        if count >= q * total:
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * ((q * total - below) / max(count - below, 1e-9))
        lower, below = bound, count
    return lower


def percentile(values, q):
    """The q-quantile of plain values; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]
