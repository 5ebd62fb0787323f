"""Fleet provisioning over MQTT as AWS IoT has it: with raw JSON and CBOR, with the AWS SDK for
JavaScript v2, in every profile; renewal; and what a claim certificate may not do."""

import json
import subprocess
import sys
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from homestack import identities, metrics

import cbor
import harness
import mqtt
from cases import node_client
from harness import check, check_equal, eventually

CREATE = "$aws/certificates/create"
FROM_CSR = "$aws/certificates/create-from-csr"
PROVISION = f"$aws/provisioning-templates/{identities.TEMPLATE}/provision"
NOT_AUTHORIZED = 0x87


def run(arguments):
    aws = install()
    with harness.stack(arguments.bin) as stack:
        with_keys(stack)
        with_csr_in_cbor(stack)
        with_other_keys(stack)
        several_at_once(stack)
        renewal(stack)
        bounds_of_a_claim(stack)
        refusals(stack)
        claim_revoked(stack, aws)
    with harness.stack(arguments.bin, profile="conformance") as stack:
        with_keys(stack)
        anonymous(stack)
        sdk(stack, aws, "conf-1")


class Client:
    """An MQTT client over TLS that asks and waits for the answer."""

    def __init__(self, stack, client_id, certificate, gateway=0):
        self.client = mqtt.Client(stack.gateways[gateway].listen["mqtts"], 5,
                                  ca_file=stack.pki.ca_cert, certificate=certificate)
        check_equal(self.client.connect(client_id)[1], 0, f"CONNECT of {client_id}")

    def ask(self, topic, body, form="json"):
        """(accepted?, the answer)."""
        topic = f"{topic}/{form}"
        codes = self.client.subscribe(f"{topic}/accepted", f"{topic}/rejected")
        check_equal(codes, [1, 1], f"SUBACK for {topic}")
        payload = cbor.encode(body) if form == "cbor" else json.dumps(body)
        check_equal(self.client.publish(topic, payload), 0, f"PUBACK for {topic}")
        found, answer = self.client.message()
        check(found in (f"{topic}/accepted", f"{topic}/rejected"), f"answer on {found}")
        return found.endswith("/accepted"), (cbor.decode(answer) if form == "cbor"
                                             else json.loads(answer))

    def accepted(self, topic, body, form="json"):
        accepted, answer = self.ask(topic, body, form)
        check(accepted, f"{topic} was rejected: {answer}")
        return answer

    def rejected(self, topic, body, status, code, form="json"):
        accepted, answer = self.ask(topic, body, form)
        check(not accepted, f"{topic} was accepted: {body}")
        check_equal((answer["statusCode"], answer["errorCode"]), (status, code), f"{topic} {body}")
        check(answer["errorMessage"], "no message")


def claim(stack, name, gateway=0):
    return Client(stack, name, (stack.pki.claim_cert, stack.pki.claim_key), gateway)


def files(stack, name, certificate, key):
    folder = stack.state.path("provisioned")
    folder.mkdir(exist_ok=True)
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_text(certificate)
    paths[1].write_text(key)
    return paths


def request(token, serial):
    return {"certificateOwnershipToken": token, "parameters": {"SerialNumber": serial}}


def with_keys(stack):
    factory = claim(stack, "factory-1")
    keys = factory.accepted(CREATE, {})
    certificate = x509.load_pem_x509_certificate(keys["certificatePem"].encode())
    check_equal(keys["certificateId"], certificate.fingerprint(hashes.SHA256()).hex(), "its id")
    answer = factory.accepted(PROVISION, request(keys["certificateOwnershipToken"], "1"))
    check_equal(answer, {"deviceConfiguration": {}, "thingName": "thing-1"}, "the thing")
    factory.client.disconnect()
    paths = files(stack, "thing-1", keys["certificatePem"], keys["privateKey"])
    device = Client(stack, "thing-1", paths, 1)
    prefix = "$aws/things/thing-1/shadow"
    device.client.subscribe(f"{prefix}/update/accepted")
    device.client.publish(f"{prefix}/update", '{"state":{"reported":{"a":1}}}')
    check_equal(device.client.message()[0], f"{prefix}/update/accepted", "its shadow")
    device.client.disconnect()


def csr(name="whatever", key=None):
    """(PEM, key)."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])).sign(key, hashes.SHA256())
    return (made.public_bytes(serialization.Encoding.PEM).decode(),
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                              serialization.NoEncryption()).decode())


def with_csr_in_cbor(stack):
    factory = claim(stack, "factory-2")
    pem, key = csr()
    answer = factory.accepted(FROM_CSR, {"certificateSigningRequest": pem}, "cbor")
    check("privateKey" not in answer, "a private key for a request")
    thing = factory.accepted(PROVISION, request(answer["certificateOwnershipToken"], "2"), "cbor")
    check_equal(thing["thingName"], "thing-2", "the thing")
    Client(stack, "thing-2", files(stack, "thing-2", answer["certificatePem"], key))


def with_other_keys(stack):
    """AWS IoT takes these as well."""
    factory = claim(stack, "factory-2")
    for name, key in (("p384", ec.generate_private_key(ec.SECP384R1())),
                      ("p521", ec.generate_private_key(ec.SECP521R1())),
                      ("rsa", rsa.generate_private_key(65537, 2048))):
        pem, private = csr(key=key)
        answer = factory.accepted(FROM_CSR, {"certificateSigningRequest": pem})
        factory.accepted(PROVISION, request(answer["certificateOwnershipToken"], name))
        device = Client(stack, f"thing-{name}", files(stack, name, answer["certificatePem"],
                                                      private))
        device.client.disconnect()
    factory.client.disconnect()


def several_at_once(stack):
    """Each request is answered: a few are carried out in turn, more are told to wait."""
    factory = claim(stack, "factory-2")
    topic = f"{CREATE}/json"
    factory.client.subscribe(f"{topic}/accepted", f"{topic}/rejected")

    def answers(count):
        for _ in range(count):
            factory.client.publish(topic, "{}", wait=False)
        found = [factory.client.message() for _ in range(count)]
        return [json.loads(payload) for name, payload in found if name == f"{topic}/rejected"]

    check_equal(answers(5), [], "rejected of a few")
    rejected = answers(40)
    check(0 < len(rejected) <= 32, f"{len(rejected)} of 40 were rejected")
    for answer in rejected:
        check_equal((answer["statusCode"], answer["errorCode"]), (429, "TooManyRequests"), "why")
    counted = metrics.scrape(stack.registry.metrics).total("homeport_registry_refusals_total",
                                                           reason="provision_client_max")
    check_equal(counted, len(rejected), "the refusals are counted")
    factory.client.disconnect()


def renewal(stack):
    """A device gets itself another certificate with the one it has; for another thing it may not."""
    paths = stack.state.path("provisioned", "thing-2.pem"), stack.state.path("provisioned",
                                                                             "thing-2.key")
    device = Client(stack, "thing-2", paths)
    pem, key = csr()
    answer = device.accepted(FROM_CSR, {"certificateSigningRequest": pem})
    token = answer["certificateOwnershipToken"]
    device.rejected(PROVISION, request(token, "3"), 403, "AccessDenied")
    device.accepted(PROVISION, request(token, "2"))
    newer = Client(stack, "thing-2-b", files(stack, "newer", answer["certificatePem"], key))
    for client in (device, newer):
        client.client.ping()


def bounds_of_a_claim(stack):
    factory = claim(stack, "thing-1")  # no matter what it calls itself
    for topic in ("device/thing-1/up/properties", "$aws/things/thing-1/shadow/update", "other",
                  "$aws/certificates/create/json/accepted", "$aws/certificates/list/json"):
        check_equal(hex(factory.client.publish(topic, "{}")), hex(NOT_AUTHORIZED), f"PUBACK {topic}")
    for filter in ("device/thing-1/down/#", "$aws/things/thing-1/shadow/#", "#"):
        check_equal(factory.client.subscribe(filter), [NOT_AUTHORIZED], f"SUBACK {filter}")
    # Answers go to who asked only.
    other = claim(stack, "thing-1x")
    topic = f"{CREATE}/json"
    other.client.subscribe(f"{topic}/+")
    factory.accepted(CREATE, {})
    other.client.ping()
    check(not [p for p in other.client._waiting if p.kind == mqtt.PUBLISH], "another's answer")
    rows = stack.database.rows("SELECT count(*) FROM device WHERE id LIKE 'claim:%'")
    check_equal(rows, [["0"]], "claims among the devices")


def refusals(stack):
    factory = claim(stack, "factory-3")

    def counted(outcome):
        return metrics.scrape(stack.registry.metrics).total(
            "homeport_registry_provisionings_total", outcome=outcome)

    factory.rejected(FROM_CSR, {"certificateSigningRequest": "x"}, 400,
                     "InvalidCertificateSigningRequest")
    factory.rejected(FROM_CSR, {}, 400, "InvalidRequest", "cbor")
    before = counted("InvalidCertificateOwnershipToken")
    factory.rejected(PROVISION, request("x", "1"), 400, "InvalidCertificateOwnershipToken")
    check_equal(counted("InvalidCertificateOwnershipToken"), before + 1, "the refusal is counted")
    check("reason=InvalidCertificateOwnershipToken" in stack.log("registry").read_text(), "a line")
    token = factory.accepted(CREATE, {})["certificateOwnershipToken"]
    factory.rejected(PROVISION, {"certificateOwnershipToken": token}, 400, "InvalidParameters")
    factory.rejected("$aws/provisioning-templates/other/provision", request(token, "1"), 403,
                     "AccessDenied")
    check(token not in stack.log("registry").read_text(), "an ownership token in a log")


def claim_revoked(stack, aws):
    from homeport.provisioning.v1 import provisioning_pb2
    sdk(stack, aws, "sdk-1")
    provisioning = stack.api.provisioning(stack.registry.grpc)
    claims = provisioning.ListClaims(provisioning_pb2.ListClaimsRequest(parent="tenants/-"),
                                     timeout=10).claims
    check_equal(len(claims), 1, "claims")
    factory = claim(stack, "factory-4", 1)
    started = time.monotonic()
    provisioning.RevokeClaim(provisioning_pb2.RevokeClaimRequest(name=claims[0].name), timeout=10)
    check_equal(factory.client.wait_closed(5), NOT_AUTHORIZED, "DISCONNECT of a revoked claim")
    print(f"off: a claim: after {time.monotonic() - started:.2f} s")

    def refused():
        client = mqtt.Client(stack.gateways[0].listen["mqtts"], 5, ca_file=stack.pki.ca_cert,
                             certificate=(stack.pki.claim_cert, stack.pki.claim_key))
        return client.connect("factory-5")[1] == NOT_AUTHORIZED

    eventually(refused, "it is refused", 5)


def anonymous(stack):
    """Where anonymous clients are let in, they may provision too."""
    client = Client(stack, "nobody", None)
    keys = client.accepted(CREATE, {})
    client.accepted(PROVISION, request(keys["certificateOwnershipToken"], "anon"))


def install():
    folder = harness.REPOSITORY / "build" / "test" / "node_aws"
    node_client.install(node_client.FOLDER.parent / "node_aws", folder, "provision.mjs")
    return folder


def sdk(stack, folder, serial):
    result = subprocess.run(
        ["node", str(folder / "provision.mjs"),
         stack.gateways[0].listen["mqtts"].rsplit(":", 1)[1], str(stack.pki.ca_cert),
         str(stack.pki.claim_cert), str(stack.pki.claim_key), identities.TEMPLATE, serial],
        capture_output=True, text=True, timeout=60)
    sys.stdout.write(result.stdout)
    check_equal((result.returncode, result.stdout.splitlines()),
                (0, [f"thing thing-{serial}", "shadow version 1 first"]),
                f"the AWS SDK: {result.stderr}")
