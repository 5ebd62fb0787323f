"""MQTT over WebSocket, plain and under TLS: packets and frames cut differently, wrong frames and
upgrades refused by their own codes, and a load balancer's PROXY header believed."""

import socket

from homestack import metrics

import harness
import mqtt
from harness import check, check_equal, eventually
from websocket import BINARY, CLOSE, CONTINUATION, PING, TEXT, Closed, WebSocket, frame, upgrade_request


def run(arguments):
    with harness.stack(arguments.bin, gateways=1) as stack:
        gateway = stack.gateways[0]
        for kind, ca_file in (("ws", None), ("wss", stack.pki.ca_cert)):
            for version in (4, 5):
                speaks_mqtt(stack, gateway.listen[kind], ca_file, version)
            cuts(stack, gateway.listen[kind], ca_file)
            last_words(stack, gateway.listen[kind], ca_file)
        wrong_upgrades(gateway)
        wrong_frames(gateway)
        check_equal(metrics.scrape(gateway.metrics).total("homeport_gateway_sessions"), 0,
                    "sessions left")
    with harness.stack(arguments.bin, gateways=1,
                       gateway_settings={"proxy-from": "127.0.0.0/8"}) as stack:
        proxied(stack)


def over(channel, version):
    """An MQTT client on a channel that is open already."""
    client = mqtt.Client.__new__(mqtt.Client)
    client.version, client.timeout, client._socket = version, 10.0, channel
    client._buffer, client._waiting, client._next_id = b"", [], 1
    return client


def speaks_mqtt(stack, address, ca_file, version):
    channel = WebSocket(address, ca_file)
    check_equal(channel.status, 101, "upgrade")
    check("Sec-WebSocket-Protocol: mqtt\r\n" in channel.head + "\r\n", "subprotocol is echoed")
    client = over(channel, version)
    device = "ws-device"
    check_equal(client.connect(device, *harness.credentials(stack, device))[1], 0, "CONNECT")
    check_equal(client.subscribe(f"device/{device}/down/set/+"), [1], "SUBSCRIBE")
    check_equal(client.publish(f"device/{device}/up/telemetry/t", bytes(70_000)), 0, "PUBACK")
    client.ping()
    client.disconnect()


def cuts(stack, address, ca_file):
    """Several packets in one frame, one packet over several frames with a ping amid them."""
    channel = WebSocket(address, ca_file)
    client = over(channel, 4)
    device = "ws-cuts"
    check_equal(client.connect(device, *harness.credentials(stack, device))[1], 0, "CONNECT")
    pings = b"\xc0\x00"
    channel.send_raw(frame(BINARY, pings * 3))
    channel.send_raw(frame(BINARY, pings[:1], fin=False) + frame(PING, b"amid") +
                     frame(CONTINUATION, b"", fin=False) + frame(CONTINUATION, pings[1:] + pings))
    for _ in range(5):
        client.wait(mqtt.PINGRESP)
    check_equal(channel.pongs, [b"amid"], "pongs")
    client.disconnect()


def last_words(stack, address, ca_file):
    """What is wrong is answered within a frame, and nothing follows the Close, also where the client
    has closed in the same breath."""
    channel = WebSocket(address, ca_file)
    device = "ws-last"
    check_equal(over(channel, 5).connect(device, *harness.credentials(stack, device))[1], 0, "CONNECT")
    malformed = b"\x32\x02\x00\x00"
    channel.send_raw(frame(BINARY, malformed) + frame(CLOSE, (1000).to_bytes(2, "big")))
    check_equal(channel.next_frame()[:1], b"\xe0", "DISCONNECT in a frame")
    try:
        check(False, f"behind DISCONNECT: {channel.next_frame()}")
    except Closed as closed:
        check_equal(closed.code, 1000, "the client's own code")


def wrong_upgrades(gateway):
    for what, request, status in (
            ("other path", upgrade_request("/other"), 404),
            ("other method", upgrade_request(method="POST"), 405),
            ("other subprotocol", upgrade_request(subprotocol="chat"), 400),
            ("large head", upgrade_request(more=["X-Large: " + "x" * 9000]), 431),
            ("MQTT", b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", 400)):
        check_equal(WebSocket(gateway.listen["ws"], request=request).status, status, what)


def wrong_frames(gateway):
    for what, data, code in (
            ("text", frame(TEXT, b"hello"), 1003),
            ("unmasked", frame(BINARY, b"\xc0\x00", masked=False), 1002),
            ("continuation of nothing", frame(CONTINUATION, b"x"), 1002),
            ("too large", frame(BINARY, bytes((1 << 20) + 1)), 1009)):
        channel = WebSocket(gateway.listen["ws"])
        try:
            channel.send_raw(data)
        except OSError:
            pass  # closed while the frame was still being sent
        try:
            check(False, f"{what} is answered: {channel.next_frame()}")
        except Closed as closed:
            check_equal(closed.code, code, f"close code for {what}")
        except ConnectionResetError:
            check(code == 1009, f"{what}: reset before the close frame")


def proxied(stack):
    """The header's address is the one in the log; without a header nobody gets in."""
    gateway = stack.gateways[0]
    host, port = gateway.listen["mqtt"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), 10) as channel:
        channel.sendall(b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 1883\r\n")
        check_equal(over(channel, 4).connect("proxied", "no/device", "x")[1] in (4, 5), True,
                    "refused")
    eventually(lambda: "203.0.113.7:40000" in stack.log("gateway-0").read_text(errors="replace"),
               "the proxied address in the log")
    direct = mqtt.Client(gateway.listen["mqtt"])
    direct.send(12, 0, b"")
    direct.wait_closed()
