"""The stack's token issuer: an ES256 key, its JWKS, and the tokens the stack hands out."""

import base64
import hashlib
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from .state import write_atomically

ISSUER = "https://homeport.localhost"
LIFETIME_SECONDS = 30 * 86400


class Tokens:
    def __init__(self, state):
        folder = state.path("tokens")
        self._key_path = folder / "issuer.key"
        self.jwks = folder / "jwks.json"
        self.admin_file = folder / "admin.jwt"
        self.service_file = folder / "service.jwt"
        self._key = None

    def ensure(self):
        """Loads or makes the issuer key; writes the JWKS and fresh tokens."""
        if self._key_path.exists():
            self._key = serialization.load_pem_private_key(self._key_path.read_bytes(),
                                                           password=None)
        else:
            self._key = ec.generate_private_key(ec.SECP256R1())
            write_atomically(self._key_path, self._key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption()).decode())
        write_atomically(self.jwks, json.dumps({"keys": [self._jwk()]}, indent=1), mode=0o644)
        write_atomically(self.admin_file, self.issue("admin", "operator platform user"))
        write_atomically(self.service_file, self.issue("gateway", "service"))

    def admin(self):
        return self.admin_file.read_text()

    def issue(self, subject, scope, tenant="default", lifetime=LIFETIME_SECONDS):
        now = int(time.time())
        header = {"alg": "ES256", "typ": "JWT", "kid": self._key_id()}
        claims = {"iss": ISSUER, "sub": subject, "iat": now, "exp": now + lifetime,
                  "tenant": tenant, "scope": scope}
        signed = f"{_encode_json(header)}.{_encode_json(claims)}"
        signature = self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(signature)
        return f"{signed}.{_encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def _point(self):
        numbers = self._key.public_key().public_numbers()
        return _encode(numbers.x.to_bytes(32, "big")), _encode(numbers.y.to_bytes(32, "big"))

    def _key_id(self):
        # RFC 7638: the thumbprint of the key's required members in lexical order.
        x, y = self._point()
        members = json.dumps({"crv": "P-256", "kty": "EC", "x": x, "y": y}, separators=(",", ":"))
        return _encode(hashlib.sha256(members.encode()).digest())

    def _jwk(self):
        x, y = self._point()
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256",
                "kid": self._key_id()}


def _encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _encode_json(value):
    return _encode(json.dumps(value, separators=(",", ":")).encode())
