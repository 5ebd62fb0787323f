"""All gateways are restarted one after the other while devices report and messages of QoS 1 go to
clients whose sessions outlive their connections: nothing is lost, and no gateway sends its clients
away faster than it is set to. Then gateways send clients away by themselves: old ones, and those
that a gateway has more than its share of."""

import signal

import harness
import ledger
import mqtt
from harness import check, check_equal, eventually
from homestack import metrics
from roamers import Meter, Publisher, Roamer

DRAIN_PER_SECOND = 40
REFERENCE = "mqtt.example.com:8883"
USE_ANOTHER_SERVER = 0x9C
SERVER_REFERENCE = b"\x1c" + len(REFERENCE).to_bytes(2, "big") + REFERENCE.encode()
ROAMERS = 40
MESSAGES = 60


def run(context):
    settings = {"drain-per-second": DRAIN_PER_SECOND, "drain-ms-max": 60_000, "pod-lease-ms": 2000,
                "reactors": 1}
    devices(context, settings)
    sessions(context, settings)
    age(context)
    shed(context)


def devices(context, settings):
    """Reports of devices over three gateways."""
    plan = ledger.Plan(0, devices=120, rate=600)
    with harness.stack(context.bin, gateways=3, gateway_settings=settings) as stack, \
            ledger.Load(stack, plan) as load:
        ledger.everyone_is_reachable(stack, plan)
        for gateway in stack.gateways:
            restart(stack, gateway)
            ledger.everyone_is_reachable(stack, plan)
        ledger.judge(stack, load, load.finish())


def restart(stack, gateway):
    """SIGTERM; returns when the gateway is back."""
    pid = stack.pid(gateway.name)
    meter = Meter(gateway, DRAIN_PER_SECOND, at_once=DRAIN_PER_SECOND // 10)
    before = metrics.scrape(gateway.metrics).total("homeport_gateway_sessions")
    stack.kill(gateway.name, signal.SIGTERM)
    eventually(lambda: stack.pid(gateway.name) not in (pid, None) and gateway.ready(),
               f"{gateway.name} is back", 60)
    ended = meter.judge()
    check_equal(exit_line(stack, gateway), 0, f"drains of {gateway.name} that were cut short")
    print(f"{gateway.name}: {before:.0f} sessions, {ended:.0f} seen ended, never more than "
          f"{DRAIN_PER_SECOND} a second", flush=True)


def exit_line(stack, gateway):
    return stack.log(gateway.name).read_text().count("event=drain_cut_short")


def sessions(context, settings):
    """Clients with sessions in Redis go from gateway to gateway; messages come all the time."""
    settings = {**settings, "server-reference": REFERENCE}
    with harness.stack(context.bin, gateways=2, profile="conformance",
                       gateway_settings=settings) as stack:
        addresses = [gateway.listen["mqtt"] for gateway in stack.gateways]
        roamers = [Roamer(addresses, f"roamer-{i}", MESSAGES, start=i) for i in range(ROAMERS)]
        witness = mqtt.Client(addresses[0], 5)
        witness.connect("witness")
        publisher = Publisher(addresses)
        for roamer in roamers:
            roamer.start()
        for number in range(MESSAGES):
            if number in (MESSAGES // 4, MESSAGES // 2):
                gateway = stack.gateways[number * 4 // MESSAGES - 1]
                pid = stack.pid(gateway.name)
                meter = Meter(gateway, DRAIN_PER_SECOND, at_once=DRAIN_PER_SECOND // 10)
                stack.kill(gateway.name, signal.SIGTERM)
            for roamer in roamers:
                publisher.publish(roamer.name, number)
            if number in (MESSAGES // 2 - 1, MESSAGES - 1):
                eventually(lambda: stack.pid(gateway.name) not in (pid, None) and gateway.ready(),
                           f"{gateway.name} is back", 60)
                meter.judge()
        check_equal(witness.wait_closed(), USE_ANOTHER_SERVER, "DISCONNECT of a gateway that drains")
        check(SERVER_REFERENCE in witness.goodbye, f"the server reference: {witness.goodbye}")
        for roamer in roamers:
            roamer.join()
            roamer.judge(publisher)
        moves, again = (sum(getattr(r, field) for r in roamers) for field in ("moves", "again"))
        check(moves >= ROAMERS, f"{moves} moves of {ROAMERS} clients")
        print(f"{ROAMERS * MESSAGES} messages to {ROAMERS} clients, {moves} moves: none lost, "
              f"{again} came again, marked as such", flush=True)


def age(context):
    """Each connection ends between half the age and all of it, one after the other."""
    seconds = 4
    settings = {"connection-age-s-max": seconds, "reactors": 1, "server-reference": REFERENCE}
    with harness.stack(context.bin, gateways=1, profile="conformance",
                       gateway_settings=settings) as stack:
        clients = [mqtt.Client(stack.gateways[0].listen["mqtt"], 5) for _ in range(20)]
        for number, client in enumerate(clients):
            client.connect(f"old-{number}")
        old = mqtt.Client(stack.gateways[0].listen["mqtt"])
        old.connect("old-311")
        meter = Meter(stack.gateways[0], 2 * 21 / seconds, at_once=3)
        for client in clients:
            check_equal(client.wait_closed(), USE_ANOTHER_SERVER, "DISCONNECT for its age")
            check(SERVER_REFERENCE in client.goodbye, f"the server reference: {client.goodbye}")
        old.wait_closed()
        page = metrics.scrape(stack.gateways[0].metrics)
        check_equal(page.total(Meter.SAME, cause="age"), 21, "sessions ended for their age")
        meter.judge()


def shed(context):
    """A gateway joins one that has all the clients: clients are sent away until both have as many,
    never faster than set."""
    per_second = 10
    settings = {"shed-per-second": per_second, "reactors": 1, "pod-lease-ms": 1000}
    with harness.stack(context.bin, gateways=1, profile="conformance",
                       gateway_settings=settings) as stack:
        addresses = [stack.gateways[0].listen["mqtt"]]
        roamers = [Roamer(addresses, f"mover-{number}", wanted=1) for number in range(40)]
        for roamer in roamers:
            roamer.start()
        eventually(lambda: online(stack, 0) == 40, "the first gateway has all of them")
        addresses.append(stack.add_gateway().listen["mqtt"])
        meters = [Meter(gateway, per_second, at_once=1) for gateway in stack.gateways]
        eventually(lambda: abs(online(stack, 0) - 20) <= 7 and abs(online(stack, 1) - 20) <= 7,
                   "both gateways have their share", 30)
        second = [meter.judge() for meter in meters][1]
        # The meters began when some may have been sent away already.
        first = metrics.scrape(stack.gateways[0].metrics).total(Meter.SAME, cause="shed")
        check(first >= 13, f"{first:.0f} clients were sent away")
        eventually(lambda: metrics.scrape(stack.gateways[0].metrics).total(
            "homeport_gateway_drain_remaining_sessions") == 0, "nothing is left to shed")
        publisher = Publisher(addresses)
        for roamer in roamers:
            publisher.publish(roamer.name, 0)
        for roamer in roamers:
            roamer.join()
            roamer.judge(publisher)
        print(f"{first:.0f} clients were shed to the gateway that joined, {second:.0f} back")


def online(stack, index):
    return metrics.scrape(stack.gateways[index].metrics).total("homeport_gateway_sessions")
