"""Key stores and trust stores as keytool and openssl write them, and bad ones."""

import hashlib
import hmac
import subprocess

PASSWORD = "a secret"
KINDS = ("PKCS12", "PKCS12 of old", "JKS")
LEGACY = ["-J-Dkeystore.pkcs12.legacy"]


def run(folder, *command):
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def type_of(kind):
    return kind.split()[0]


def key_store(certificates, name, kind):
    """The certificate `name` with its key and its authority; its path."""
    folder, made, store = certificates.folder, f"{name}.made.p12", f"{name}.{kind.replace(' ', '-')}"
    run(folder, "openssl", "pkcs12", "-export", "-in", f"{name}.pem", "-inkey", f"{name}.key", "-certfile", "ca.pem",
        "-name", name, "-out", made, "-passout", f"pass:{PASSWORD}")  # fmt: skip
    (folder / store).unlink(missing_ok=True)
    run(folder, "keytool", "-importkeystore", "-noprompt", "-srckeystore", made, "-srcstorepass", PASSWORD, "-destkeystore", store,
        "-deststoretype", type_of(kind), "-deststorepass", PASSWORD, *(LEGACY if "old" in kind else []))  # fmt: skip
    return str(folder / store)


def trust_store(certificates, kind):
    """The authority; its path."""
    folder, store = certificates.folder, f"trust.{kind.replace(' ', '-')}"
    (folder / store).unlink(missing_ok=True)
    run(folder, "keytool", "-importcert", "-noprompt", "-alias", "authority", "-file", "ca.pem", "-keystore", store, "-storetype",
        type_of(kind), "-storepass", PASSWORD, *(LEGACY if "old" in kind else []))  # fmt: skip
    return str(folder / store)


def _der(tag, content):
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _content(element):
    """What is in the first element of DER, and what is behind it."""
    size, at = element[1], 2
    if size >= 128:
        at += size & 127
        size = int.from_bytes(element[2:at], "big")
    return element[at : at + size], element[at + size :]


def crossed_store(folder, password=PASSWORD):
    """PKCS#12 with a certificate and the key of another one, its code right: what no tool makes, and a hand may; its path."""
    keys = {}
    for name in ("own", "other"):
        run(folder, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
            f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip
        run(folder, "openssl", "pkcs8", "-topk8", "-nocrypt", "-in", f"{name}.key", "-outform", "DER", "-out", f"{name}.der")
        keys[name] = (folder / f"{name}.der").read_bytes()
    run(folder, "openssl", "pkcs12", "-export", "-in", "own.pem", "-inkey", "own.key", "-keypbe", "NONE", "-certpbe", "NONE", "-nomac",
        "-out", "crossed.p12", "-passout", "pass:")  # fmt: skip
    plain = (folder / "crossed.p12").read_bytes()
    assert plain.count(keys["own"]) == 1 and len(keys["own"]) == len(keys["other"])
    body, _ = _content(plain.replace(keys["own"], keys["other"]))
    version, rest = body[:3], body[3:]
    info, _ = _content(rest)
    content = _content(_content(_content(info)[1])[0])[0]
    # RFC 7292, B.2, with one iteration and SHA-1.
    salt, wide = b"8 octets", password.encode("utf-16-be") + b"\0\0"
    stretched = b"".join((part * (64 // len(part) + 1))[: -(-len(part) // 64) * 64] for part in (salt, wide))
    key = hashlib.sha1(b"\x03" * 64 + stretched).digest()
    code = hmac.new(key, content, "sha1").digest()
    algorithm = _der(0x30, bytes.fromhex("06052b0e03021a0500"))
    mac = _der(0x30, _der(0x30, algorithm + _der(4, code)) + _der(4, salt) + bytes([2, 1, 1]))
    (folder / "crossed.p12").write_bytes(_der(0x30, version + rest + mac))
    run(folder, "openssl", "pkcs12", "-in", "crossed.p12", "-passin", f"pass:{password}", "-noout")
    return str(folder / "crossed.p12")
