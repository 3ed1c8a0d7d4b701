"""A secured Kafka: TLS and SASL in front of a broker that has neither.

Bytes go through to the broker once the client is known. The broker has to tell its clients the address of the front, and
answers ApiVersions itself, to which the front adds the APIs of SASL.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import ssl
import struct
import subprocess
import threading
from pathlib import Path

API_VERSIONS, SASL_HANDSHAKE, SASL_AUTHENTICATE = 18, 17, 36
ILLEGAL, REFUSED = 33, 58  # UNSUPPORTED_SASL_MECHANISM, SASL_AUTHENTICATION_FAILED


class Certificates:
    """An authority with certificates for `localhost`, for another host, and for a client, as PEM files."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=Authority",
                      "-keyout", "ca.key", "-out", "ca.pem")
        self.authority = str(self.folder / "ca.pem")

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def issue(self, name, hosts):
        """`name`.pem and `name`.key; both in one in `name`.both.pem."""
        (self.folder / "names").write_text("subjectAltName=" + hosts + "\n")
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                      "-out", f"{name}.csr")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "30", "-extfile", "names", "-out", f"{name}.pem")
        both = self.folder / f"{name}.both.pem"
        both.write_bytes((self.folder / f"{name}.pem").read_bytes() + (self.folder / f"{name}.key").read_bytes())
        return str(both)


class Scram:
    """The server's side of one exchange, as strict as Kafka 4's."""

    def __init__(self, mechanism, users):
        self.hash, self.users = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}[mechanism], users
        self.first = None

    def _code(self, key, text):
        return hmac.new(key, text.encode(), self.hash).digest()

    def answer(self, token):
        """What the server says and whether the client is known by now; None for one that it does not know."""
        if self.first is None:
            self.bare = token.removeprefix("n,,")
            given = dict(part.split("=", 1) for part in self.bare.split(","))
            self.password = self.users.get(given["n"].replace("=2C", ",").replace("=3D", "="))
            self.nonce, salt = given["r"] + base64.b64encode(os.urandom(12)).decode(), os.urandom(16)
            self.salt, self.first = salt, f"r={self.nonce},s={base64.b64encode(salt).decode()},i=4096"
            return self.first, False
        without, proof = token.rsplit(",p=", 1)
        if self.password is None or without != f"c=biws,r={self.nonce}":
            return None
        salted = hashlib.pbkdf2_hmac(self.hash, self.password.encode(), self.salt, 4096)
        key, words = self._code(salted, "Client Key"), f"{self.bare},{self.first},{without}"
        signature = self._code(hashlib.new(self.hash, key).digest(), words)
        if bytes(a ^ b for a, b in zip(key, signature)) != base64.b64decode(proof):
            return None
        return "v=" + base64.b64encode(self._code(self._code(salted, "Server Key"), words)).decode(), True


def compact(value):
    """A compact length: one more than it is, 7 bits a byte."""
    number, out = value + 1, b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def uncompact(data, at):
    value = shift = 0
    while True:
        value, shift, at = value | (data[at] & 127) << shift, shift + 7, at + 1
        if data[at - 1] < 128:
            return value - 1, at


def with_sasl(answer, version):
    """ApiVersions' answer with the APIs of SASL."""
    flexible = version >= 3
    count, at = uncompact(answer, 6) if flexible else (struct.unpack(">i", answer[6:10])[0], 10)
    size = 7 if flexible else 6
    entries = [answer[at + size * i : at + size * (i + 1)] for i in range(count)]
    entries = [entry for entry in entries if struct.unpack(">h", entry[:2])[0] not in (SASL_HANDSHAKE, SASL_AUTHENTICATE)]
    for api, newest in ((SASL_HANDSHAKE, 1), (SASL_AUTHENTICATE, 2)):
        entries.append(struct.pack(">hhh", api, 0, newest) + (b"\0" if flexible else b""))
    head = compact(len(entries)) if flexible else struct.pack(">i", len(entries))
    return answer[:6] + head + b"".join(entries) + answer[at + size * count :]


class SecuredFront:
    """`certificate`: a file with certificate and key, for TLS. `authority`: clients need a certificate of its own.
    `mechanisms` and `users` (name to password): for SASL."""

    def __init__(self, port, backend, certificate=None, authority=None, mechanisms=(), users=None):
        self.port, self.backend = port, backend
        self.mechanisms, self.users = list(mechanisms), dict(users or {})
        self.known = []  # users that were let in
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        if authority:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(authority)
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self.thread.start()
        assert started.wait(10)

    def _run(self, started):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.context))
        started.set()
        self.loop.run_forever()

    def stop(self):
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    @staticmethod
    async def _end():
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader, writer):
        other = None
        try:
            backend, other = await asyncio.open_connection("127.0.0.1", self.backend)
            if self.mechanisms and not await self._authenticate(reader, writer, backend, other):
                return
            await asyncio.gather(self._pump(reader, other), self._pump(backend, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client went away
        finally:
            for end in (writer, other):
                if end:
                    end.close()

    @staticmethod
    async def _pump(reader, writer):
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def _authenticate(self, reader, writer, backend, other):
        async def frame(source):
            return await source.readexactly(struct.unpack(">i", await source.readexactly(4))[0])

        def send(target, body):
            target.write(struct.pack(">i", len(body)) + body)

        mechanism = scram = None
        while True:
            request = await frame(reader)
            api, version, number = struct.unpack(">hhi", request[:8])
            at = 10 + max(struct.unpack(">h", request[8:10])[0], 0)
            if api == API_VERSIONS:
                send(other, request)
                send(writer, with_sasl(await frame(backend), version))
            elif api == SASL_HANDSHAKE:
                mechanism = request[at + 2 :].decode()
                code = 0 if mechanism in self.mechanisms else ILLEGAL
                names = b"".join(struct.pack(">h", len(name)) + name.encode() for name in self.mechanisms)
                send(writer, struct.pack(">ihi", number, code, len(self.mechanisms)) + names)
                if code:
                    return False
                scram = None if mechanism == "PLAIN" else Scram(mechanism, self.users)
            elif api == SASL_AUTHENTICATE:
                size, at = uncompact(request, at + 1) if version >= 2 else (struct.unpack(">i", request[at : at + 4])[0], at + 4)
                token = request[at : at + size].decode()
                if scram:
                    said = scram.answer(token)
                else:
                    _, user, password = token.split("\0")
                    said = ("", True) if self.users.get(user) == password else None
                words = None if said else f"Authentication failed during authentication due to invalid credentials with SASL mechanism {mechanism}"
                send(writer, self._answer(number, version, words, (said or ("",))[0].encode()))
                if not said:
                    return False
                if said[1]:
                    self.known.append(mechanism)
                    return True
            else:
                return False

    @staticmethod
    def _answer(number, version, words, token):
        code = struct.pack(">h", REFUSED if words else 0)
        text = (words or "").encode()
        if version >= 2:
            text = compact(len(text)) + text if words else b"\0"
            return struct.pack(">i", number) + b"\0" + code + text + compact(len(token)) + token + struct.pack(">q", 0) + b"\0"
        text = struct.pack(">h", len(text)) + text if words else struct.pack(">h", -1)
        end = struct.pack(">q", 0) if version == 1 else b""
        return struct.pack(">i", number) + code + text + struct.pack(">i", len(token)) + token + end
