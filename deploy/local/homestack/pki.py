"""The stack's certificates: its own authority and the server certificate of all its pods; and what
devices need: an authority of theirs, a sample device's certificate, a claim certificate."""

import datetime
import ipaddress
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .state import write_atomically

SAMPLE_DEVICE = "sample-device"
CLAIM = "sample-claim"
RENEW_BEFORE = datetime.timedelta(days=30)


class Pki:
    def __init__(self, state):
        folder = state.path("pki")
        self.ca_cert = folder / "ca.pem"
        self.ca_key = folder / "ca.key"
        self.server_cert = folder / "server.pem"
        self.server_key = folder / "server.key"
        # Vouches for devices; the tenant "default" registers it.
        self.device_ca_cert = folder / "device-ca.pem"
        self.device_ca_key = folder / "device-ca.key"
        self.device_cert = folder / "device.pem"
        self.device_key = folder / "device.key"
        self.claim_cert = folder / "claim.pem"
        self.claim_key = folder / "claim.key"
        # Encrypts the keys of the registry's private authorities.
        self.sealing_key = folder / "sealing.key"

    def ensure(self):
        """Makes what is absent or about to expire."""
        if not (_valid(self.ca_cert) and self.ca_key.exists()):
            self._make_ca()
            self.server_cert.unlink(missing_ok=True)
        if not (_valid(self.server_cert) and self.server_key.exists()):
            self._make_server()
        if not (_valid(self.device_ca_cert) and self.device_ca_key.exists()):
            self._make_authority("Homeport local device CA", self.device_ca_cert,
                                 self.device_ca_key)
            self.device_cert.unlink(missing_ok=True)
        if not (_valid(self.device_cert) and self.device_key.exists()):
            self._write_client(SAMPLE_DEVICE, self.device_cert, self.device_key)
        if not (_valid(self.claim_cert) and self.claim_key.exists()):
            certificate, key = self.client(CLAIM, (self.ca_cert, self.ca_key))
            _write(self.claim_cert, self.claim_key, certificate, key)
        if not self.sealing_key.exists():
            write_atomically(self.sealing_key, secrets.token_hex(32))

    def client(self, name, authority=None, days=365, valid_from_days=0, key=None):
        """(certificate, key) of a client called `name`, signed by the devices' authority or that
        of the files (certificate, key)."""
        ca_cert, ca_key = authority or (self.device_ca_cert, self.device_ca_key)
        signing = serialization.load_pem_private_key(ca_key.read_bytes(), password=None)
        issuer = x509.load_pem_x509_certificate(ca_cert.read_bytes())
        key = key or ec.generate_private_key(ec.SECP256R1())
        certificate = (_builder(_name(name), issuer.subject, key.public_key(), days=days,
                                valid_from_days=valid_from_days)
                       .add_extension(x509.BasicConstraints(ca=False, path_length=None),
                                      critical=True)
                       .add_extension(_key_usage(sign_certificates=False), critical=True)
                       .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
                                      critical=False)
                       .sign(signing, hashes.SHA256()))
        return certificate, key

    def revocation_list(self, *certificates, authority=None):
        """A revocation list, in PEM, of the devices' authority or that of the files
        (certificate, key)."""
        ca_cert, ca_key = authority or (self.device_ca_cert, self.device_ca_key)
        signing = serialization.load_pem_private_key(ca_key.read_bytes(), password=None)
        issuer = x509.load_pem_x509_certificate(ca_cert.read_bytes())
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateRevocationListBuilder().issuer_name(issuer.subject)
                   .last_update(now).next_update(now + datetime.timedelta(days=30)))
        for certificate in certificates:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
                .revocation_date(now).build())
        return builder.sign(signing, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    @staticmethod
    def authority(name, issuer=None):
        """(certificate, key) of an authority that may sign others, signed by `issuer`, such a
        pair, or by itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        issuer_name, signing = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
        certificate = (_builder(subject, issuer_name, key.public_key(), days=365)
                       .add_extension(x509.BasicConstraints(ca=True, path_length=None),
                                      critical=True)
                       .add_extension(_key_usage(sign_certificates=True), critical=True)
                       .sign(signing, hashes.SHA256()))
        return certificate, key

    def _write_client(self, name, certificate_path, key_path):
        certificate, key = self.client(name)
        _write(certificate_path, key_path, certificate, key)

    def _make_ca(self):
        self._make_authority("Homeport local CA", self.ca_cert, self.ca_key)

    @staticmethod
    def _make_authority(common_name, certificate_path, key_path):
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name)
        certificate = (_builder(name, name, key.public_key(), days=3650)
                       .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                       .add_extension(_key_usage(sign_certificates=True), critical=True)
                       .sign(key, hashes.SHA256()))
        _write(certificate_path, key_path, certificate, key)

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


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()


def _builder(subject, issuer, public_key, days, valid_from_days=0):
    now = datetime.datetime.utcnow() + datetime.timedelta(days=valid_from_days)
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
    write_atomically(key_path, key_pem(key))
    write_atomically(certificate_path, pem(certificate), mode=0o644)
