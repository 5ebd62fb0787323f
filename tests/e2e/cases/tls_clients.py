"""MQTT over TLS with the clients of three stacks: records cut, joined and spoilt, keys changed,
closed by halves; sessions resumed on the other gateway; certificates replaced under way."""

import os
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path

from homestack import metrics
from homestack.pki import Pki

import harness
import mqtt
from harness import check, check_equal, eventually
from tls_channel import TlsChannel

LARGE = 250_000
CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05tls-%d"
PINGREQ, PINGRESP, DISCONNECT = b"\xc0\x00", b"\xd0\x00", b"\xe0\x00"
CONNACK = b"\x20\x02\x00\x00"


def run(arguments):
    for compact in ("true", "false"):
        with harness.stack(arguments.bin, gateways=1, profile="conformance",
                           gateway_settings={"tls-compact": compact, "reactors": 1}) as stack:
            gateway = stack.gateways[0]
            python_clients(stack, gateway)
            refused_publish(stack, gateway)
            records(stack, gateway)
            ends(stack, gateway)
            alpn(stack, gateway)
            mosquitto(stack, gateway)
            openssl(stack, gateway)
            gnutls(stack, gateway)
            sessions_by_kind(stack, gateway, compact == "true")
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "ticket.keys"
        keys.write_text("# current, former\n" + "ab" * 32 + "\n" + "cd" * 32 + "\n")
        with harness.stack(arguments.bin, profile="conformance",
                           gateway_settings={"tls-ticket-keys": keys, "reactors": 1}) as stack:
            resumption(stack, keys)
            new_certificate(stack, stack.gateways[0])


def over(channel, version=4):
    """An MQTT client on a channel that is open already."""
    client = mqtt.Client.__new__(mqtt.Client)
    client.version, client.timeout, client._socket = version, 10.0, channel
    client._buffer, client._waiting, client._next_id = b"", [], 1
    return client


def connected(stack, gateway, client_id, **options):
    channel = TlsChannel(gateway.listen["mqtts"], stack.pki.ca_cert, **options)
    client = over(channel)
    check_equal(client.connect(client_id)[1], 0, f"CONNECT of {client_id}")
    return client, channel


def python_clients(stack, gateway):
    """Large payloads both ways, under TLS 1.3 and 1.2."""
    for tls12 in (False, True):
        client, channel = connected(stack, gateway, f"python-{tls12}", tls12=tls12)
        check_equal(channel.tls.version(), "TLSv1.2" if tls12 else "TLSv1.3", "version")
        check_equal(client.subscribe("loop/large"), [1], "SUBSCRIBE")
        payload = os.urandom(LARGE)
        check_equal(client.publish("loop/large", payload), 0, "PUBACK")
        check_equal(client.message(), ("loop/large", payload), "what comes back")
        client.disconnect()


def refused_publish(stack, gateway):
    """Nobody follows the topic: PUBACK says so, and the session goes on."""
    for tls12 in (False, True):
        channel = TlsChannel(gateway.listen["mqtts"], stack.pki.ca_cert, tls12=tls12)
        client = over(channel, 5)
        check_equal(client.connect(f"unheard-{tls12}")[1], 0, "CONNECT")
        for _ in range(3):
            check_equal(client.publish("unheard/x", "x"), 0x10, f"PUBACK over {channel.tls.version()}")
        client.ping()
        client.disconnect()


def records(stack, gateway):
    client, channel = connected(stack, gateway, "joined")
    channel.socket.sendall(channel.sealed(*[PINGREQ] * 500))
    for _ in range(500):
        client.wait(mqtt.PINGRESP)
    client.disconnect()

    client, channel = connected(stack, gateway, "bytewise", segment=1)
    client.subscribe("loop/bytes")
    client.publish("loop/bytes", bytes(3000))
    check_equal(client.message()[1], bytes(3000), "cut into single bytes")
    client.disconnect()


def ends(stack, gateway):
    client, channel = connected(stack, gateway, "unwrap")
    channel.close_notify()

    client, channel = connected(stack, gateway, "half-close")
    channel.half_close(PINGREQ)
    client.wait(mqtt.PINGRESP)
    client.wait_closed()

    # Whatever is not a record of its own is answered by an alert.
    for what, spoil in (("garbage", lambda record: b"\x17\x03\x03\x00\x40" + os.urandom(64)),
                        ("a changed byte", lambda record: record[:-1] + bytes([record[-1] ^ 1])),
                        ("a record twice", lambda record: record + record)):
        client, channel = connected(stack, gateway, "spoilt")
        channel.socket.sendall(spoil(channel.sealed(PINGREQ)))
        try:
            while channel.recv(100):
                pass
            check(False, f"{what}: no alert")
        except ssl.SSLError as error:
            check_equal(error.reason, "SSLV3_ALERT_BAD_RECORD_MAC", what)
        channel.close()


def alpn(stack, gateway):
    for offered, selected in ((["mqtt"], "mqtt"), (["x-amzn-mqtt-ca"], "x-amzn-mqtt-ca"),
                              (["h2", "mqtt"], "mqtt"), (None, None)):
        client, channel = connected(stack, gateway, "alpn", alpn=offered)
        check_equal(channel.tls.selected_alpn_protocol(), selected, f"ALPN {offered}")
        client.disconnect()
    try:
        TlsChannel(gateway.listen["mqtts"], stack.pki.ca_cert, alpn=["h2"])
        check(False, "a foreign ALPN was accepted")
    except ssl.SSLError:
        pass  # which alert it was, Python has no name for: tls_server_test looks
    eventually(lambda: metrics.scrape(gateway.metrics).total(
        "homeport_gateway_tls_handshake_failures_total", reason="alpn") == 1, "counted as alpn")


def mosquitto(stack, gateway):
    port = gateway.listen["mqtts"].rsplit(":", 1)[1]
    options = ["-h", "localhost", "-p", port, "--cafile", str(stack.pki.ca_cert), "-q", "1"]
    receiver = subprocess.Popen(
        ["stdbuf", "-oL", "mosquitto_sub", *options, "-d", "-W", "20", "-C", "1", "-N",
         "-t", "loop/mosquitto", "-i", "receiver"], stdout=subprocess.PIPE)
    check(any(line.startswith(b"Subscribed") for line in receiver.stdout), "mosquitto_sub is there")
    payload = os.urandom(LARGE)
    probe, _ = connected(stack, gateway, "probe")
    sender = subprocess.run(["mosquitto_pub", *options, "-t", "loop/mosquitto", "-s", "-r"],
                            input=payload, timeout=20)
    check_equal(sender.returncode, 0, "mosquitto_pub")
    check(payload in receiver.stdout.read(), "mosquitto_sub has got it")
    probe.disconnect()


def converse(process, *steps):
    """Writes the first of each pair, then reads to the second."""
    read = b""
    for write, wanted in steps:
        process.stdin.write(write)
        process.stdin.flush()
        while not read.endswith(wanted):
            byte = process.stdout.read(1)
            check(byte, f"{process.args[0]} ended after {read[-200:]!r}")
            read += byte
    process.stdin.close()
    check_equal(process.wait(10), 0, f"exit code of {process.args[0]}")


def openssl(stack, gateway):
    """s_client changes its keys and asks the server to do so, twice."""
    for suite in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                  "TLS_CHACHA20_POLY1305_SHA256"):
        process = subprocess.Popen(
            ["openssl", "s_client", "-connect", gateway.listen["mqtts"], "-servername", "localhost",
             "-CAfile", str(stack.pki.ca_cert), "-verify_return_error", "-tls1_3", "-ciphersuites",
             suite, "-brief"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        converse(process, (CONNECT % 1, CONNACK), (b"K\n", b"KEYUPDATE\n"), (PINGREQ, PINGRESP),
                 (b"K\n", b"KEYUPDATE\n"), (PINGREQ, PINGRESP), (b"Q\n", b""))


def gnutls(stack, gateway):
    port = gateway.listen["mqtts"].rsplit(":", 1)[1]
    process = subprocess.Popen(
        ["gnutls-cli", "--x509cafile", str(stack.pki.ca_cert), "--logfile", "/dev/null",
         "-p", port, "localhost"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    converse(process, (CONNECT % 2, CONNACK), (PINGREQ, PINGRESP), (PINGREQ, PINGRESP),
             (DISCONNECT, b""))


def sessions_by_kind(stack, gateway, compact):
    clients = [connected(stack, gateway, f"kind-{n}")[0] for n in range(3)]
    old = connected(stack, gateway, "kind-12", tls12=True)[0]
    page = metrics.scrape(gateway.metrics)
    kinds = [page.total("homeport_gateway_tls_sessions", kind=k) for k in ("compact", "openssl")]
    check_equal(kinds, [3, 1] if compact else [0, 4], "sessions by kind")
    for client in (*clients, old):
        client.disconnect()
    eventually(lambda: metrics.scrape(gateway.metrics).total("homeport_gateway_tls_sessions") == 0,
               "no TLS session is left")


def s_client(gateway, stack, *options):
    """Connects as a client that says hello and hears a word; s_client's report of the session."""
    process = subprocess.Popen(
        ["openssl", "s_client", "-connect", gateway.listen["mqtts"], "-servername", "localhost",
         "-CAfile", str(stack.pki.ca_cert), "-verify_return_error", "-ign_eof", *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    report, _ = process.communicate(CONNECT % 3 + DISCONNECT, timeout=20)
    return report


def resumption(stack, keys):
    """A session begun on one gateway is resumed on the other, by TLS 1.3 and 1.2."""
    one, two = stack.gateways
    session = str(stack.state.path("session.pem"))
    for version in ("-tls1_3", "-tls1_2"):
        report = s_client(one, stack, version, "-sess_out", session)
        check(b"New, TLSv1" in report, f"{version}: a new session")
        report = s_client(two, stack, version, "-sess_in", session)
        check(b"Reused, TLSv1" in report, f"{version}: resumed on the other gateway")
        before = reloads(two)
        keys.write_text(os.urandom(32).hex() + "\n" + keys.read_text())  # the former still opens
        eventually(lambda: reloads(two) > before, "the new key is in use")
        check(b"Reused, TLSv1" in s_client(two, stack, version, "-sess_in", session),
              f"{version}: resumed with a former key")
    check(metrics.scrape(two.metrics).total("homeport_gateway_tls_resumptions_total") >= 4,
          "resumptions are counted")


def reloads(gateway):
    return metrics.scrape(gateway.metrics).total("homeport_gateway_tls_reloads_total")


def new_certificate(stack, gateway):
    """Replaced under a session that goes on; a broken one is refused, and the old one stays."""
    client, channel = connected(stack, gateway, "stays")
    old = channel.tls.getpeercert()["serialNumber"]
    before = reloads(gateway)
    stack.pki.server_cert.unlink()
    Pki(stack.state).ensure()

    def serial():
        return TlsChannel(gateway.listen["mqtts"], stack.pki.ca_cert).tls.getpeercert()[
            "serialNumber"]
    eventually(lambda: serial() != old, "new connections get the new certificate")
    check(reloads(gateway) > before, "the reload is counted")
    new = serial()

    def refused():
        return metrics.scrape(gateway.metrics).total("homeport_gateway_refusals_total",
                                                     reason="tls_reload")
    stack.pki.server_cert.write_text("no certificate")
    eventually(lambda: refused() >= 1, "the broken certificate is refused and counted")
    check("tls_reload_refused" in stack.log("gateway-0").read_text(errors="replace"), "and logged")
    check_equal(serial(), new, "the certificate in use")
    client.ping()
    with socket.create_connection(gateway.listen["mqtts"].rsplit(":", 1), 5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
    eventually(lambda: metrics.scrape(gateway.metrics).total(
        "homeport_gateway_tls_handshake_failures_total", reason="not_tls") >= 1, "HTTP is counted")
