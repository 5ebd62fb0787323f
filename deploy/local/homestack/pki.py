"""The stack's own certificate authority and the server certificate all its pods use."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .state import write_atomically

RENEW_BEFORE = datetime.timedelta(days=30)


class Pki:
    def __init__(self, state):
        folder = state.path("pki")
        self.ca_cert = folder / "ca.pem"
        self.ca_key = folder / "ca.key"
        self.server_cert = folder / "server.pem"
        self.server_key = folder / "server.key"

    def ensure(self):
        """Makes what is absent or about to expire."""
        if not (_valid(self.ca_cert) and self.ca_key.exists()):
            self._make_ca()
            self.server_cert.unlink(missing_ok=True)
        if not (_valid(self.server_cert) and self.server_key.exists()):
            self._make_server()

    def _make_ca(self):
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Homeport local CA")
        certificate = (_builder(name, name, key.public_key(), days=3650)
                       .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                       .add_extension(_key_usage(sign_certificates=True), critical=True)
                       .sign(key, hashes.SHA256()))
        _write(self.ca_cert, self.ca_key, certificate, key)

    def _make_server(self):
        ca_key = serialization.load_pem_private_key(self.ca_key.read_bytes(), password=None)
        ca = x509.load_pem_x509_certificate(self.ca_cert.read_bytes())
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([
            x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = (_builder(_name("localhost"), ca.subject, key.public_key(), days=365)
                       .add_extension(x509.BasicConstraints(ca=False, path_length=None),
                                      critical=True)
                       .add_extension(_key_usage(sign_certificates=False), critical=True)
                       .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
                                      critical=False)
                       .add_extension(names, critical=False)
                       .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                           ca_key.public_key()), critical=False)
                       .sign(ca_key, hashes.SHA256()))
        _write(self.server_cert, self.server_key, certificate, key)


def _valid(path):
    if not path.exists():
        return False
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.not_valid_after - RENEW_BEFORE > datetime.datetime.utcnow()


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject, issuer, public_key, days):
    now = datetime.datetime.utcnow()
    return (x509.CertificateBuilder()
            .subject_name(subject).issuer_name(issuer).public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False))


def _key_usage(sign_certificates):
    return x509.KeyUsage(digital_signature=True, key_cert_sign=sign_certificates,
                         crl_sign=sign_certificates, content_commitment=False,
                         key_encipherment=False, data_encipherment=False, key_agreement=False,
                         encipher_only=False, decipher_only=False)


def _write(certificate_path, key_path, certificate, key):
    write_atomically(key_path, key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()).decode())
    write_atomically(certificate_path,
                     certificate.public_bytes(serialization.Encoding.PEM).decode(), mode=0o644)
