"""A storm of connects, many times what the gateway can take, beside sessions that are at work: these
lose nothing and are acknowledged all the time, the storm is turned away by name, and the gateway
takes clients again as soon as it is over."""

import json
import subprocess

import harness
from harness import Device, check, check_equal, eventually
from homestack import bench_product, metrics

STORM_SECONDS = 8
WORKERS, REPORTS_PER_SECOND = 50, 200
AT_ONCE = 3000  # connects under way
# The limits whose refusals make a storm bearable.
SHED = ("overload_tls", "tls_handshakes_max", "overload_connect", "connects_waiting_max")


def run(context):
    settings = {"tls-handshakes-max": 200, "overload-lag-ms": 50}
    with harness.stack(context.bin, gateways=1, gateway_settings=settings) as stack:
        gateway = stack.gateways[0]
        quiet = result(generator(stack, "publish", gateway.listen["mqtt"], connections=WORKERS,
                                 rate=REPORTS_PER_SECOND, client_prefix="quiet-", seconds=3))
        print(f"before: p50 {quiet['puback_p50_us'] / 1000:.1f} ms, p99 "
              f"{quiet['puback_p99_us'] / 1000:.1f} ms", flush=True)
        for kind in ("mqtts", "mqtt"):
            before = metrics.scrape(gateway.metrics)
            work = generator(stack, "publish", gateway.listen["mqtt"], connections=WORKERS,
                             rate=REPORTS_PER_SECOND, client_prefix=f"worker-{kind}-",
                             seconds=STORM_SECONDS + 4, warm_up=1)
            eventually(lambda: metrics.scrape(gateway.metrics).total("homeport_gateway_sessions")
                       >= WORKERS, "the workers are there", 30)
            tls = {"tls": "true", "ca": stack.pki.ca_cert} if kind == "mqtts" else {}
            address = gateway.listen[kind].replace("127.0.0.1", "localhost")
            storm = generator(stack, "connect", address, connections=10_000, seconds=STORM_SECONDS,
                              connect_window=AT_ONCE, client_prefix=f"storm-{kind}-", **tls)
            storm, work = result(storm), result(work)
            judge(stack, kind, before, storm, work)
            late = Device(stack, f"late-{kind}")
            check_equal(late.report('{"params":[{"siid":2,"piid":1,"value":1}]}'), 0,
                        "PUBACK after the storm")


def judge(stack, kind, before, storm, work):
    page = metrics.scrape(stack.gateways[0].metrics)
    refused = {reason: page.total("homeport_gateway_refusals_total", reason=reason)
               - before.total("homeport_gateway_refusals_total", reason=reason) for reason in SHED}
    print(f"{kind}: {storm['accepted']} connects accepted, {storm['failures']} failed, refused "
          f"{refused}; {work['acked']} reports acknowledged, p50 {work['puback_p50_us'] / 1000:.1f} "
          f"ms, p99 {work['puback_p99_us'] / 1000:.1f} ms", flush=True)
    check_equal((work["disconnects"], work["connect_failures"], work["refused"]), (0, 0, 0),
                "workers that lost their connection, and reports that were refused")
    # Far from what it takes at its pace: the machine may have other work.
    check(work["acked"] >= 0.5 * REPORTS_PER_SECOND * work["seconds"], "reports are acknowledged")


def generator(stack, mode, target, **settings):
    return subprocess.Popen(
        # The storm is not to win the CPU that the gateway would turn it away with.
        ["nice", "-n", "10" if mode == "connect" else "0", str(stack.bin / "homeport-bench-mqtt"), mode, f"--target={target}",
         f"--product={bench_product.PRODUCT}", f"--fleet-key={stack.bench_fleet_key()}",
         *(f"--{name.replace('_', '-')}={value}" for name, value in settings.items())],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(process):
    output, errors = process.communicate(timeout=120)
    check_equal(process.returncode, 0, f"exit code of the load: {output}{errors[-2000:]}")
    return json.loads(output)
