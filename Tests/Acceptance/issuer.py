"""An issuer of OAuth 2.0 tokens: a token endpoint for clients with a secret (RFC 6749, 4.4) and the keys that it signs with."""

import base64
import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def base64url(data):
    if isinstance(data, int):
        data = data.to_bytes((data.bit_length() + 7) // 8, "big")
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    def __init__(self, name, kind="RS256"):
        self.name, self.kind = name, kind
        self.private = (
            ec.generate_private_key(ec.SECP256R1()) if kind == "ES256" else rsa.generate_private_key(65537, 2048)
        )

    def sign(self, text):
        if self.kind == "ES256":
            r, s = decode_dss_signature(self.private.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self.private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())

    @property
    def jwk(self):
        numbers = self.private.public_key().public_numbers()
        named = {"kid": self.name, "use": "sig", "alg": self.kind}
        if self.kind == "ES256":
            x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
            return named | {"kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y)}
        return named | {"kty": "RSA", "n": base64url(numbers.n), "e": base64url(numbers.e)}


class Issuer:
    """Clients are their names: each has the secret `NAME-secret`, and is the subject of its tokens."""

    AUDIENCE = "kafka"

    def __init__(self, port=0):
        self.keys = [Key("first"), Key("curve", "ES256")]
        self.lifetime = 300
        self.given = []  # (client, scope), one for each token of the endpoint
        self.fetches = 0  # of the keys
        self.server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.token_url, self.keys_url = self.url + "/token", self.url + "/keys"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    def token(self, subject="ann", key=None, header=None, lifetime=None, **claims):
        """Claims that are None are left out."""
        key, now = key or self.keys[0], int(time.time())
        body = {"iss": self.url, "aud": self.AUDIENCE, "sub": subject, "iat": now, "exp": now + (lifetime or self.lifetime)}
        body = {name: value for name, value in (body | claims).items() if value is not None}
        text = base64url({"alg": key.kind, "kid": key.name, "typ": "JWT"} | (header or {})) + "." + base64url(body)
        return text + "." + base64url(key.sign(text))

    def unsigned(self, subject="ann"):
        now = int(time.time())
        return base64url({"alg": "none"}) + "." + base64url({"sub": subject, "iat": now, "exp": now + 300}) + "."

    def _handler(issuer):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, value):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if self.path != "/keys":
                    return self.answer(404, {})
                issuer.fetches += 1
                self.answer(200, {"keys": [key.jwk for key in issuer.keys]})

            def do_POST(self):
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                given = self.headers.get("Authorization", "").removeprefix("Basic ")
                client, _, secret = base64.b64decode(given).decode().partition(":")
                if self.path != "/token" or form.get("grant_type") != ["client_credentials"]:
                    return self.answer(400, {"error": "unsupported_grant_type"})
                if not client or secret != client + "-secret":
                    return self.answer(401, {"error": "invalid_client", "error_description": "who are you?"})
                scope = " ".join(form.get("scope", []))
                issuer.given.append((client, scope))
                token = issuer.token(client, scope=scope or "kafka")
                self.answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": issuer.lifetime})

        return Handler
