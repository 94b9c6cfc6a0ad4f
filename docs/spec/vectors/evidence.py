#!/usr/bin/env python3
"""Writes evidence.json: test vectors for docs/spec/evidence.md, made from the specification alone.

An implementation of its own, in nothing but Python's standard library: it shares no code with the Rust one, which is tested
against what it writes. Keys, nonces and digests are fixed, so the output never changes. Usage: python3 evidence.py > evidence.json
"""

import base64
import hashlib
import hmac
import json


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def u32be(number):
    return number.to_bytes(4, "big")


def u16be(number):
    return number.to_bytes(2, "big")


def tpm2b(data):
    return u16be(len(data)) + data


def b64(data):
    return base64.b64encode(data).decode()


def canonical(value):
    """RFC 8785 for what occurs here: ASCII keys, strings without escapes, whole numbers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


# NIST P-256 (SP 800-186) and deterministic ECDSA (RFC 6979), slowly.

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return (x, (slope * (a[0] - x) - a[1]) % P)


def multiply(scalar, point):
    result = None
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def rfc6979_nonce(key, digest):
    def mac(k, *parts):
        return hmac.new(k, b"".join(parts), hashlib.sha256).digest()

    private, message = key.to_bytes(32, "big"), (int.from_bytes(digest, "big") % N).to_bytes(32, "big")
    v, k = b"\x01" * 32, b"\x00" * 32
    for separator in (b"\x00", b"\x01"):
        k = mac(k, v, separator, private, message)
        v = mac(k, v)
    while True:
        v = mac(k, v)
        candidate = int.from_bytes(v, "big")
        if 0 < candidate < N:
            return candidate
        k = mac(k, v, b"\x00")
        v = mac(k, v)


def ecdsa(key, message):
    digest = sha256(message)
    nonce = rfc6979_nonce(key, digest)
    r = multiply(nonce, G)[0] % N
    s = pow(nonce, -1, N) * (int.from_bytes(digest, "big") + r * key) % N
    return r.to_bytes(32, "big"), s.to_bytes(32, "big")


# The binding, and the tree of nonces (RFC 6962, section 2.1).

BINDING = {
    "tls_spki_sha256": "e1" * 32,
    "receipt_public_key": b64(b"\xe2" * 32),
    "hpke_public_key": None,
    "model_sha256": "a3" * 32,
}


def binding_digest(binding):
    return sha256(
        b"blindllama/binding/v1",
        bytes.fromhex(binding["tls_spki_sha256"]),
        base64.b64decode(binding["receipt_public_key"]),
        bytes(32) if binding["hpke_public_key"] is None else bytes.fromhex(binding["hpke_public_key"]),
        bytes.fromhex(binding["model_sha256"]),
    )


def leaf(nonce, binding):
    return sha256(b"\x00", nonce, binding_digest(binding))


def split(count):
    half = 1
    while half * 2 < count:
        half *= 2
    return half


def root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    half = split(len(leaves))
    return sha256(b"\x01", root(leaves[:half]), root(leaves[half:]))


def siblings(leaves, index):
    if len(leaves) == 1:
        return []
    half = split(len(leaves))
    if index < half:
        return siblings(leaves[:half], index) + [root(leaves[half:])]
    return siblings(leaves[half:], index - half) + [root(leaves[:half])]


def qualifying_data(leaves):
    return sha256(b"blindllama/quote/v1", u32be(len(leaves)), root(leaves))


def nonce(number):
    return sha256(b"nonce", u32be(number))


# The application log.


def event(pcr, kind, data):
    text = canonical(data)
    digest = sha256(b"blindllama/event/v1", u32be(len(kind)), kind.encode(), u32be(len(text)), text)
    return {"pcr": pcr, "type": kind, "digest": digest.hex(), "data": data}


def replay(log, pcr):
    value = bytes(32)
    for entry in log:
        if entry["pcr"] == pcr:
            value = sha256(value, bytes.fromhex(entry["digest"]))
    return value


def launch(name, log):
    def file(byte, size):
        return {"sha256": byte * 32, "bytes": size}

    def manifest(byte, files, size):
        return {"manifest_sha256": byte * 32, "files": files, "bytes": size}

    begin = {"launch": b64(bytes([name]) * 16)}
    log = log + [
        event(14, "launch.begin", begin),
        event(15, "launch.begin", begin),
        event(14, "gateway.binary", file("a1", 4096)),
        event(14, "engine.packages", manifest("a4", 30000, 2000000000)),
        event(14, "config", file("a2", 100)),
        event(14, "launch", file("a5", 120)),
        event(14, "model.weights", manifest("a3", 7, 270000000)),
        event(14, "model.chat_template", file("a6", 800)),
        event(14, "sealed", {}),
        event(15, "identity.tls_spki", {"sha256": BINDING["tls_spki_sha256"]}),
        event(15, "identity.receipt_key", {"ed25519": BINDING["receipt_public_key"]}),
    ]
    return log + [event(15, "sealed", {"application_pcr": replay(log, 14).hex()})]


# The TPM's structures (TPM 2.0 Library, Part 2).

AK_KEY = int.from_bytes(b"\x07" * 32, "big")
AK_ATTRIBUTES = 0x00050072  # fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign


def ak_public():
    x, y = multiply(AK_KEY, G)
    area = (
        bytes.fromhex("0023000b")  # type ECC, nameAlg SHA-256
        + u32be(AK_ATTRIBUTES)
        + tpm2b(b"")  # authPolicy
        + bytes.fromhex("00100018000b00030010")  # no symmetric, ECDSA SHA-256, P-256, no KDF
        + tpm2b(x.to_bytes(32, "big"))
        + tpm2b(y.to_bytes(32, "big"))
    )
    return tpm2b(area), bytes.fromhex("000b") + sha256(area)


def attest(extra_data, pcrs):
    selected = bytearray(3)
    for pcr in pcrs:
        selected[pcr // 8] |= 1 << (pcr % 8)
    return (
        bytes.fromhex("ff5443478018")  # TPM_GENERATED_VALUE, TPM_ST_ATTEST_QUOTE
        + tpm2b(b"\x0b" * 34)  # qualifiedSigner
        + tpm2b(extra_data)
        + (5000).to_bytes(8, "big")  # clock
        + u32be(3)  # resetCount
        + u32be(1)  # restartCount
        + b"\x01"  # safe
        + (0x20191023).to_bytes(8, "big")  # firmwareVersion
        + u32be(1)
        + bytes.fromhex("000b03")
        + bytes(selected)
        + tpm2b(sha256(*[pcrs[pcr] for pcr in sorted(pcrs)]))
    )


def signature(message):
    r, s = ecdsa(AK_KEY, message)
    return bytes.fromhex("0018000b") + tpm2b(r) + tpm2b(s)


# The whole: nonce 3 of 9, two launches of which the first was cut off.

LEAVES = 9
INDEX = 3


def evidence():
    log = launch(2, launch(1, [])[:5])
    pcrs = {pcr: bytes([pcr]) * 32 for pcr in range(8)} | {14: replay(log, 14), 15: replay(log, 15)}
    leaves = [leaf(nonce(number), BINDING) for number in range(LEAVES)]
    quote = attest(qualifying_data(leaves), pcrs)
    return {
        "version": 1,
        "nonce": nonce(INDEX).hex(),
        "binding": BINDING,
        "nonce_proof": {
            "leaf_index": INDEX,
            "leaf_count": LEAVES,
            "siblings": [sibling.hex() for sibling in siblings(leaves, INDEX)],
        },
        "tpm": {
            "quote": b64(quote),
            "signature": b64(signature(quote)),
            "ak_public": b64(ak_public()[0]),
            "ak_certificates": [],
            "ek_certificates": [],
            "pcrs": {"sha256": {str(pcr): value.hex() for pcr, value in sorted(pcrs.items())}},
        },
        "event_log": {"firmware": None, "systemd": None, "application": log},
        "tee": [],
    }


def policy():
    boot = "\n".join(f'{pcr} = "{(bytes([pcr]) * 32).hex()}"' for pcr in range(8))
    return f"""version = 1
max_evidence_age_seconds = 30
reattest_after_seconds = 300

[weakening]
allow_software_tpm = true
allow_self_reported = true

[[trusted_ak]]
name = "{ak_public()[1].hex()}"
machine = "the example"
kind = "software"

[[platform]]
name = "example platform"
application_measurements = "self-reported"

[platform.pcrs.sha256]
{boot}

[[release]]
name = "example release"
status = "serving"
gateway_binary = "{"a1" * 32}"
engine_packages = "{"a4" * 32}"
config = "{"a2" * 32}"
launch = "{"a5" * 32}"
model_weights = "{"a3" * 32}"
chat_template = "{"a6" * 32}"
"""


def tree(count):
    leaves = [leaf(nonce(number), BINDING) for number in range(count)]
    return {
        "leaf_count": count,
        "root": root(leaves).hex(),
        "qualifying_data": qualifying_data(leaves).hex(),
        "siblings": [[sibling.hex() for sibling in siblings(leaves, index)] for index in range(count)],
    }


def main():
    binary = event(14, "gateway.binary", {"sha256": "a1" * 32, "bytes": 4096})
    vectors = {
        "binding": BINDING,
        "binding_digest": binding_digest(BINDING).hex(),
        "nonces": [nonce(number).hex() for number in range(9)],
        "leaf_of_nonce_0": leaf(nonce(0), BINDING).hex(),
        "trees": [tree(count) for count in range(1, 10)],
        "event": {
            "type": binary["type"],
            "canonical_data": canonical(binary["data"]).decode(),
            "digest": binary["digest"],
        },
        "ak_name": ak_public()[1].hex(),
        "evidence": evidence(),
        "policy": policy(),
        "connection_spki_sha256": BINDING["tls_spki_sha256"],
    }
    print(json.dumps(vectors, indent=1))


main()
