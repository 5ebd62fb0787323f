"""Who may connect: client certificates, secrets, tokens, their rotation; each refusal with its
reason code, its metric and a log line; and how fast what is revoked is off on two gateways."""

import base64
import json
import ssl
import subprocess
import time

import grpc
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from google.protobuf.field_mask_pb2 import FieldMask

from homestack import bench_product, identities, metrics, pki

import harness
import mqtt
from harness import check, check_equal, eventually

OFF_SECONDS = 5.0
BAD_PASSWORD, NOT_AUTHORIZED, BANNED, BAD_CLIENT_ID = 0x86, 0x87, 0x8A, 0x85
ADMINISTRATIVE_ACTION = 0x98


def run(arguments):
    with harness.stack(arguments.bin) as stack:
        certificates = Certificates(stack)
        sample_with_mosquitto(stack)
        certificates.registers_devices()
        certificates.refusals()
        certificates.revocations()
        chains(stack, certificates)
        tokens(stack)
        rotation(stack)
        switched_off(stack)
        missed_changes(stack)


# ---- helpers ----

class Refusal:
    """The block must be refused: the gateway counts `label` and writes a line with it."""

    def __init__(self, stack, label, gateway=0):
        self.stack, self.label, self.gateway = stack, label, gateway

    def count(self):
        page = metrics.scrape(self.stack.gateways[self.gateway].metrics)
        return page.total("homeport_gateway_refusals_total", reason=self.label)

    def lines(self):
        log = self.stack.log(f"gateway-{self.gateway}").read_text(errors="replace")
        return sum(1 for line in log.splitlines() if f"why={self.label}" in line)

    def __enter__(self):
        time.sleep(1.1)  # a pod writes at most ten such lines a second
        self.before = self.count(), self.lines()

    def __exit__(self, kind, *_):
        if kind is None:
            eventually(lambda: self.count() > self.before[0], f"{self.label} is counted")
            eventually(lambda: self.lines() > self.before[1], f"{self.label} is logged")


def connect(stack, client_id, gateway=0, certificate=None, username=None, password=None,
            version=5):
    """(client, code of CONNACK) over TLS."""
    client = mqtt.Client(stack.gateways[gateway].listen["mqtts"], version,
                         ca_file=stack.pki.ca_cert, certificate=certificate)
    return client, client.connect(client_id, username, password)[1]


def device_name(device):
    return f"tenants/default/devices/{device}"


def create_device(stack, device):
    """Its secret."""
    from homeport.device.v1 import device_pb2
    return stack.api.devices(stack.registry.grpc).CreateDevice(device_pb2.CreateDeviceRequest(
        parent="tenants/default", device_id=device,
        device=device_pb2.Device(product=identities.PRODUCT_NAME)), timeout=10).secret


def create_credential(stack, device, **fields):
    from homeport.credential.v1 import credential_pb2
    return stack.api.credentials(stack.registry.grpc).CreateCredential(
        credential_pb2.CreateCredentialRequest(
            parent=device_name(device), credential=credential_pb2.Credential(**fields)), timeout=10)


def revoke(stack, name):
    from homeport.credential.v1 import credential_pb2
    stack.api.credentials(stack.registry.grpc).RevokeCredential(
        credential_pb2.RevokeCredentialRequest(name=name), timeout=10)


# ---- certificates ----

def sample_with_mosquitto(stack):
    """As a newcomer does, with what the env file says."""
    env = stack.env()
    device = env["HOMEPORT_DEVICE_ID"]
    result = subprocess.run(
        ["mosquitto_pub", "-h", "localhost", "-p", env["HOMEPORT_MQTTS_0"].rsplit(":", 1)[1],
         "--cafile", str(env["HOMEPORT_CA"]), "--cert", str(env["HOMEPORT_DEVICE_CERT"]),
         "--key", str(env["HOMEPORT_DEVICE_KEY"]), "-i", device, "-V", "5", "-q", "1",
         "-u", "nobody?SDK=Mosquitto&Version=2.0",
         "-t", f"device/{device}/up/properties",
         "-m", '{"params":[{"siid":2,"piid":1,"value":11}]}'],
        capture_output=True, text=True, timeout=20)
    check_equal((result.returncode, result.stderr), (0, ""), "mosquitto_pub with a certificate")
    eventually(lambda: harness.reported(stack, device)[0].get("bench.value") == 11,
               "the report of a device with a certificate")
    from homeport.device.v1 import device_pb2
    found = stack.api.devices(stack.registry.grpc).GetDevice(
        device_pb2.GetDeviceRequest(name=device_name(device)), timeout=10)
    check_equal(found.sdk, "SDK=Mosquitto&Version=2.0", "what the SDK says of itself")


class Certificates:
    def __init__(self, stack):
        self.stack = stack
        self.folder = stack.state.path("clients")
        self.folder.mkdir()

    def make(self, name, label=None, **options):
        """Files (certificate, key) of a client called `name`."""
        certificate, key = self.stack.pki.client(name, **options)
        paths = self.folder / f"{label or name}.pem", self.folder / f"{label or name}.key"
        paths[0].write_text(pki.pem(certificate))
        paths[1].write_text(pki.key_pem(key))
        return paths

    def registers_devices(self):
        """A device nobody knows is registered with the authority's product."""
        client, code = connect(self.stack, "new-lamp", certificate=self.make("new-lamp"))
        check_equal(code, 0, "a first connection with a certificate of the devices' authority")
        check_equal(client.publish("device/new-lamp/up/properties",
                                   '{"params":[{"siid":2,"piid":1,"value":3}]}'), 0, "PUBACK")
        rows = self.stack.database.rows("SELECT product FROM device WHERE id = 'new-lamp'")
        check_equal(rows, [[bench_product.PRODUCT]], "the product of the new device")
        extra, code = connect(self.stack, "new-lamp-app",
                              certificate=(self.folder / "new-lamp.pem",
                                           self.folder / "new-lamp.key"))
        check_equal(code, 0, "a second client of the device")
        client.ping()
        extra.disconnect()
        client.disconnect()

    def refusals(self):
        stack = self.stack
        foreign = (stack.pki.ca_cert, stack.pki.ca_key)
        for label, client_id, certificate, reason, version in (
                ("certificate_unknown", "lamp-f", self.make("lamp-f", authority=foreign),
                 NOT_AUTHORIZED, 5),
                ("certificate_unknown", "lamp-f", self.make("lamp-f", authority=foreign), 5, 4),
                ("certificate_expired", "lamp-e",
                 self.make("lamp-e", valid_from_days=-10, days=9), NOT_AUTHORIZED, 5),
                ("certificate_names_no_device", "x", self.make("not a device's name", "nameless"),
                 NOT_AUTHORIZED, 5),
                ("client_id_not_of_certificate", "other", self.make("lamp-o"), BAD_CLIENT_ID, 5),
                ("password_missing", "lamp-n", None, BAD_PASSWORD, 5)):
            with Refusal(stack, label):
                _, code = connect(stack, client_id, certificate=certificate, version=version)
                check_equal(hex(code), hex(reason), f"CONNACK: {label}")
        # A certificate that is nothing to us does not stand in the way of a password.
        username, password = harness.credentials(stack, "lamp-f")
        _, code = connect(stack, "lamp-f", certificate=self.make("lamp-f", authority=foreign),
                          username=username, password=password)
        check_equal(code, 0, "a password beside a foreign certificate")

    def revocations(self):
        """One certificate, a revocation list, the authority: each off on both gateways."""
        from homeport.credential.v1 import credential_pb2
        stack = self.stack
        credentials = stack.api.credentials(stack.registry.grpc)
        authority = f"{identities.PARENT}/authorities/{identities.AUTHORITY}"

        single = self.make("lamp-single")
        sessions = self.both("lamp-single", single)
        listed = credentials.ListCredentials(credential_pb2.ListCredentialsRequest(
            parent=device_name("lamp-single")), timeout=10).credentials
        check_equal([c.kind for c in listed], [credential_pb2.Credential.KIND_CERTIFICATE], "kinds")
        off(stack, "a certificate", sessions, lambda: revoke(stack, listed[0].name),
            lambda g: connect(stack, "lamp-single", g, single)[1], NOT_AUTHORIZED)

        certificate, key = stack.pki.client("lamp-listed")
        paths = self.folder / "listed.pem", self.folder / "listed.key"
        paths[0].write_text(pki.pem(certificate))
        paths[1].write_text(pki.key_pem(key))
        sessions = self.both("lamp-listed", paths)
        request = credential_pb2.ImportRevocationListRequest(
            name=authority, crl=stack.pki.revocation_list(certificate))
        off(stack, "a certificate on a revocation list", sessions,
            lambda: credentials.ImportRevocationList(request, timeout=10),
            lambda g: connect(stack, "lamp-listed", g, paths)[1], NOT_AUTHORIZED)

        switched = self.make("lamp-switched")
        sessions = self.both("lamp-switched", switched)

        def update(disabled):
            credentials.UpdateAuthority(credential_pb2.UpdateAuthorityRequest(
                authority=credential_pb2.Authority(name=authority, disabled=disabled),
                update_mask=FieldMask(paths=["disabled"])), timeout=10)

        off(stack, "an authority", sessions, lambda: update(True),
            lambda g: connect(stack, "lamp-switched", g, switched)[1], NOT_AUTHORIZED)
        with Refusal(stack, "certificate_authority_disabled"):
            connect(stack, "lamp-switched", 0, switched)
        update(False)
        eventually(lambda: connect(stack, "lamp-switched", 0, switched)[1] == 0,
                   "the authority is back")

    def both(self, device, certificate):
        """Sessions of one device on both gateways."""
        sessions = []
        for gateway in range(2):
            client, code = connect(self.stack, f"{device}-{gateway}", gateway, certificate)
            check_equal(code, 0, f"CONNECT of {device} to gateway {gateway}")
            sessions.append(client)
        return sessions


def off(stack, what, sessions, action, try_again, reason):
    """After `action` the sessions end, and `try_again(gateway)` is refused, within 5 s."""
    started = time.monotonic()
    action()
    for session in sessions:
        found = session.wait_closed(OFF_SECONDS)
        check_equal(found, NOT_AUTHORIZED, f"{what}: DISCONNECT")
    ended = time.monotonic() - started
    for gateway in range(2):
        code = try_again(gateway)
        check_equal(hex(code), hex(reason), f"{what}: CONNACK of gateway {gateway} afterwards")
    total = time.monotonic() - started
    print(f"off: {what}: sessions ended after {ended:.2f} s, refused after {total:.2f} s")
    check(total < OFF_SECONDS, f"{what} was off only after {total:.1f} s")


# ---- authorities between ----

def chains(stack, certificates):
    """Devices whose certificates an authority between signed, which is nobody's here itself."""
    from homeport.credential.v1 import credential_pb2
    credentials = stack.api.credentials(stack.registry.grpc)
    root = stack.pki.authority("chain root")
    plant = stack.pki.authority("chain plant", root)
    files = {}
    for name, (certificate, key) in (("root", root), ("plant", plant)):
        files[name] = certificates.folder / f"{name}.pem", certificates.folder / f"{name}.key"
        files[name][0].write_text(pki.pem(certificate))
        files[name][1].write_text(pki.key_pem(key))
    proof, _ = stack.pki.client("default", files["root"])
    authority = credentials.CreateAuthority(credential_pb2.CreateAuthorityRequest(
        parent=identities.PARENT, authority_id="chain", verification_pem=pki.pem(proof),
        authority=credential_pb2.Authority(
            pem=pki.pem(root[0]), registration_product=identities.PRODUCT_NAME)), timeout=10)

    def make(name):
        alone = certificates.make(name, authority=files["plant"])
        chained = certificates.folder / f"{name}-chain.pem"
        chained.write_text(alone[0].read_text() + files["plant"][0].read_text())
        return alone, (chained, alone[1])

    alone, chained = make("lamp-chain")
    check_equal(hex(connect(stack, "lamp-chain", certificate=alone)[1]), hex(NOT_AUTHORIZED),
                "a certificate without who signed it")
    check_equal(connect(stack, "lamp-chain", certificate=chained)[1], 0, "and at once with it")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        resumed_before_connect(stack, f"lamp-{version.name}", make, version)

    sessions = certificates.both("lamp-chain", chained)
    late = make("lamp-late")[1]
    request = credential_pb2.ImportRevocationListRequest(
        name=authority.name, crl=stack.pki.revocation_list(plant[0], authority=files["root"]))
    off(stack, "an authority between", sessions,
        lambda: credentials.ImportRevocationList(request, timeout=10),
        lambda g: connect(stack, "lamp-chain", g, chained)[1], NOT_AUTHORIZED)
    check_equal(hex(connect(stack, "lamp-late", certificate=late)[1]), hex(NOT_AUTHORIZED),
                "a device that nobody had seen before")


def resumed_before_connect(stack, device, make, version):
    """A device goes away with its ticket before it has said who it is."""
    context = mqtt.tls_context(stack.pki.ca_cert, make(device)[1])
    context.minimum_version = context.maximum_version = version
    address = stack.gateways[0].listen["mqtts"]
    first = mqtt.Client(address, context=context)
    session = eventually(first.tls_ticket, f"a ticket of {version.name}")
    first.close()
    second = mqtt.Client(address, context=context, session=session)
    check(second.tls_resumed(), f"{version.name}: resumed")
    check_equal(second.connect(device)[1], 0, f"{version.name}: CONNECT of a resumed session")
    second.disconnect()


# ---- tokens ----

def token(key, claims, header=None):
    algorithm = "EdDSA" if isinstance(key, ed25519.Ed25519PrivateKey) else "ES256"
    signed = ".".join(encode(json.dumps(part).encode())
                      for part in (header or {"alg": algorithm, "typ": "JWT"}, claims))
    if algorithm == "EdDSA":
        return f"{signed}.{encode(key.sign(signed.encode()))}"
    r, s = utils.decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM,
                                         serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def tokens(stack):
    from homeport.credential.v1 import credential_pb2
    device = "token-lamp"
    create_device(stack, device)
    keys = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    made = [create_credential(stack, device, kind=credential_pb2.Credential.KIND_PUBLIC_KEY,
                              pem=public_pem(key)).credential for key in keys]
    username = f"{bench_product.PRODUCT}/{device}?SDK=Own"
    now = int(time.time())
    good = {"sub": device, "iat": now, "exp": now + 600}

    def code(password, client_id=device, name=username):
        return connect(stack, client_id, username=name, password=password)[1]

    # The gateway may remember the device as it was before.
    eventually(lambda: code(token(keys[0], good)) == 0, "a token signed with ES256")
    check_equal(code(token(keys[1], good)), 0, "a token signed with EdDSA")
    check_equal(code(token(keys[0], good), name="?SDK=Own"), 0, "the client id is the device")
    check_equal(code(token(keys[0], {"sub": device, "exp": now - 200})), 0, "within the skew")
    stranger = ec.generate_private_key(ec.SECP256R1())
    for label, password in (
            ("token_signature", token(stranger, good)),
            ("token_expired", token(keys[0], {"sub": device, "exp": now - 400})),
            ("token_not_yet_valid", token(keys[0], {**good, "iat": now + 400})),
            ("token_life", token(keys[0], {"sub": device, "exp": now + 10 * 86400})),
            ("token_device", token(keys[0], {**good, "sub": "other"})),
            ("password_wrong", "no.token"),
            ("token_signature", token(keys[0], good, {"alg": "none"}))):
        with Refusal(stack, label):
            check_equal(hex(code(password)), hex(BAD_PASSWORD), f"CONNACK: {label}")
    sessions = []
    for gateway in range(2):
        client, found = connect(stack, f"{device}-{gateway}", gateway, username=username,
                                password=token(keys[0], good))
        check_equal(found, 0, "CONNECT with a token")
        sessions.append(client)
    off(stack, "a public key", sessions, lambda: revoke(stack, made[0].name),
        lambda g: connect(stack, device, g, username=username, password=token(keys[0], good))[1],
        BAD_PASSWORD)
    check_equal(code(token(keys[1], good)), 0, "the other key after one is revoked")


# ---- secrets ----

def rotation(stack):
    from google.protobuf.timestamp_pb2 import Timestamp
    from homeport.credential.v1 import credential_pb2
    secret_kind = credential_pb2.Credential.KIND_SECRET
    device = "secret-lamp"
    username = f"{bench_product.PRODUCT}/{device}"
    first = create_device(stack, device)

    def open_session(secret, suffix=""):
        client, code = connect(stack, device + suffix, username=username, password=secret)
        return client, code

    check_equal(open_session(first)[1], 0, "the first secret")
    second = create_credential(stack, device, kind=secret_kind)
    on_second = eventually(lambda: (lambda s: s[0] if s[1] == 0 else None)(
        open_session(second.secret, "-b")), "the second secret")
    on_first, code = open_session(first, "-a")
    check_equal(code, 0, "the first secret beside the second")
    try:
        create_credential(stack, device, kind=secret_kind)
        raise harness.Failed("a third secret was made")
    except grpc.RpcError as error:
        check_equal(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED, "a third secret")
    listed = stack.api.credentials(stack.registry.grpc).ListCredentials(
        credential_pb2.ListCredentialsRequest(parent=device_name(device)), timeout=10).credentials
    old = next(c.name for c in listed if c.name != second.credential.name)
    off(stack, "a secret", [on_first], lambda: revoke(stack, old),
        lambda g: connect(stack, device, g, username=username, password=first)[1], BAD_PASSWORD)
    on_second.ping()  # who used the other secret stays
    soon = Timestamp(seconds=int(time.time()) + 6)
    third = create_credential(stack, device, kind=secret_kind, expire_time=soon)
    eventually(lambda: open_session(third.secret)[1] == 0, "a secret before it expires", 5)
    with Refusal(stack, "credential_expired"):
        eventually(lambda: open_session(third.secret)[1] == BAD_PASSWORD, "it expires")
    for log in ("gateway-0", "gateway-1", "registry"):
        text = stack.log(log).read_text(errors="replace")
        for secret in (first, second.secret, third.secret):
            check(secret not in text, f"a secret stands in the log of {log}")
    audit = stack.database.rows("SELECT action FROM audit WHERE resource LIKE "
                                f"'devices/{device}/credentials/%' ORDER BY id")
    check_equal(audit, [["CreateCredential"], ["RevokeCredential"], ["CreateCredential"]], "audit")


def switched_off(stack):
    """A device that is disabled, by whatever it had connected."""
    from homeport.device.v1 import device_pb2
    device = "off-lamp"
    username = f"{bench_product.PRODUCT}/{device}"
    secret = create_device(stack, device)
    sessions = [connect(stack, f"{device}-{g}", g, username=username, password=secret)[0]
                for g in range(2)]
    devices = stack.api.devices(stack.registry.grpc)
    started = time.monotonic()
    devices.DisableDevice(device_pb2.DisableDeviceRequest(name=device_name(device)), timeout=10)
    for session in sessions:
        check(session.wait_closed(OFF_SECONDS) in (NOT_AUTHORIZED, 0x98), "DISCONNECT reason")
    for gateway in range(2):
        eventually(lambda: connect(stack, device, gateway, username=username,
                                   password=secret)[1] == BANNED,
                   f"a disabled device is refused by gateway {gateway}", OFF_SECONDS)
    total = time.monotonic() - started
    print(f"off: a device: refused after {total:.2f} s")
    check(total < OFF_SECONDS, f"the device was off only after {total:.1f} s")


def missed_changes(stack):
    """Where gateways cannot learn what was revoked, as after a restore, all prove anew who they are."""
    lamp = harness.Device(stack, "missed-lamp", version=5)
    stack.database.rows("DELETE FROM directory_change; "
                        "ALTER SEQUENCE directory_change_id_seq RESTART WITH 1")
    check_equal(lamp.client.wait_closed(), ADMINISTRATIVE_ACTION, "why its session ends")
    harness.Device(stack, "missed-lamp").client.disconnect()
    page = metrics.scrape(stack.gateways[0].metrics)
    check(page.total("homeport_gateway_drain_disconnects_total", cause="directory_reset") >= 1,
          "sessions ended are counted")
