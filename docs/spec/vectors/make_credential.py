#!/usr/bin/env python3
"""Writes credential.json: known answers for TPM2_MakeCredential (TPM 2.0 Library, Part 1, sections 24, B.10.4, C.6.4).

An implementation of its own: key derivation, OAEP and CFB are written out here from the specifications; the package
`cryptography` provides block cipher, curves and certificates. Each credential is opened again with the private key, by the
library's own OAEP and ECDH. All keys follow from labels, so a second run writes the same bytes.
"""

import base64
import datetime
import hashlib
import hmac
import json
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import NameOID, ObjectIdentifier

SUITES = {"L-1": ("sha256", 16), "L-2": ("sha256", 16), "H-3": ("sha384", 32)}
NAME_ALGORITHMS = {"sha256": b"\x00\x0b", "sha384": b"\x00\x0c", "sha512": b"\x00\x0d"}


def derived(label, size):
    return hashlib.shake_256(label.encode()).digest(size)


def tpm2b(data):
    return len(data).to_bytes(2, "big") + data


# --- key derivation (Part 1, section 11.4.10) and cipher ---


def kdfa(hash_name, key, label, context_u, context_v, bits):
    output, counter = b"", 0
    while len(output) * 8 < bits:
        counter += 1
        message = counter.to_bytes(4, "big") + label + b"\0" + context_u + context_v + bits.to_bytes(4, "big")
        output += hmac.new(key, message, hash_name).digest()
    return output[: bits // 8]


def kdfe(hash_name, z, label, party_u, party_v, bits):
    output, counter = b"", 0
    while len(output) * 8 < bits:
        counter += 1
        message = counter.to_bytes(4, "big") + z + label + b"\0" + party_u + party_v
        output += hashlib.new(hash_name, message).digest()
    return output[: bits // 8]


def cfb(key, data, decrypt=False):
    block, output = bytes(16), b""
    for start in range(0, len(data), 16):
        encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        stream, chunk = encryptor.update(block), data[start : start + 16]
        result = bytes(a ^ b for a, b in zip(chunk, stream))
        output, block = output + result, chunk if decrypt else result
    return output


# --- RSAES-OAEP (RFC 8017, section 7.1.1) with a given seed ---


def mgf1(seed, size):
    blocks = (hashlib.sha256(seed + i.to_bytes(4, "big")).digest() for i in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def oaep(public, message, label, seed):
    k = public.n.bit_length() // 8
    data_block = hashlib.sha256(label).digest() + bytes(k - len(message) - 66) + b"\x01" + message
    masked_block = bytes(a ^ b for a, b in zip(data_block, mgf1(seed, k - 33)))
    masked_seed = bytes(a ^ b for a, b in zip(seed, mgf1(masked_block, 32)))
    encoded = int.from_bytes(b"\0" + masked_seed + masked_block, "big")
    return pow(encoded, public.e, public.n).to_bytes(k, "big")


# --- keys ---


def is_prime(n):
    if any(n % p == 0 for p in (3, 5, 7, 11, 13, 17, 19, 23)):
        return False
    d, s = n - 1, 0
    while d % 2 == 0:
        d, s = d // 2, s + 1
    for base in range(2, 34):
        x = pow(base, d, n)
        if x not in (1, n - 1) and not any((x := pow(x, 2, n)) == n - 1 for _ in range(s - 1)):
            return False
    return True


def prime(label):
    n = int.from_bytes(derived(label, 128), "big") | (3 << 1022) | 1
    while not is_prime(n) or n % 65537 == 1:
        n += 2
    return n


def rsa_key(label):
    p, q = prime(label + " p"), prime(label + " q")
    d = pow(65537, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPublicNumbers(65537, p * q)
    crt = (rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(p, q, d, *crt, numbers).private_key()


def ec_key(curve, label, wanted=lambda key: True):
    """The first key of a row that `wanted` likes: for coordinates that start with a zero byte."""
    for attempt in range(100_000):
        scalar = int.from_bytes(derived(f"{label} {attempt}", curve.key_size // 8), "big")
        if 0 < scalar < 2 ** (curve.key_size - 1) and wanted(key := ec.derive_private_key(scalar, curve)):
            return key
    raise ValueError(label)


def x_starts_with_zero(key):
    return key.public_key().public_numbers().x >> (key.curve.key_size - 8) == 0


def certificate(public_key, issuer_key):
    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(name("Test endorsement key"))
        .issuer_name(name("Test endorsement key issuer"))
        .public_key(public_key)
        .serial_number(1)
        .not_valid_before(datetime.datetime(2026, 1, 1))
        .not_valid_after(datetime.datetime(9999, 12, 31, 23, 59, 59))
        .add_extension(x509.ExtendedKeyUsage([ObjectIdentifier("2.23.133.8.1")]), critical=False)
    )
    signed = builder.sign(issuer_key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


# --- credentials ---


def shared_seed(ek, hash_name, given_seed, ephemeral):
    """The seed, and TPM2B_ENCRYPTED_SECRET."""
    if isinstance(ek, rsa.RSAPrivateKey):
        public = ek.public_key().public_numbers()
        return given_seed[:32], tpm2b(oaep(public, given_seed[:32], b"IDENTITY\0", ephemeral[:32]))
    size = ek.curve.key_size // 8
    key = ec.derive_private_key(int.from_bytes(ephemeral[:size], "big"), ek.curve)
    own, other = key.public_key().public_numbers(), ek.public_key().public_numbers()
    z = key.exchange(ec.ECDH(), ek.public_key())
    party_u, party_v = own.x.to_bytes(size, "big"), other.x.to_bytes(size, "big")
    seed = kdfe(hash_name, z, b"IDENTITY", party_u, party_v, hashlib.new(hash_name).digest_size * 8)
    return seed, tpm2b(tpm2b(party_u) + tpm2b(own.y.to_bytes(size, "big")))


def make(ek, suite, name, secret, given_seed, ephemeral):
    hash_name, key_size = SUITES[suite]
    seed, encrypted_secret = shared_seed(ek, hash_name, given_seed, ephemeral)
    key = kdfa(hash_name, seed, b"STORAGE", name, b"", key_size * 8)
    identity = cfb(key, tpm2b(secret))
    hmac_key = kdfa(hash_name, seed, b"INTEGRITY", b"", b"", hashlib.new(hash_name).digest_size * 8)
    integrity = hmac.new(hmac_key, identity + name, hash_name).digest()
    return tpm2b(tpm2b(integrity) + identity), encrypted_secret


def recovered_seed(ek, hash_name, encrypted_secret):
    """What the TPM does with TPM2B_ENCRYPTED_SECRET."""
    if isinstance(ek, rsa.RSAPrivateKey):
        scheme = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"IDENTITY\0")
        return ek.decrypt(encrypted_secret[2:], scheme)
    size = ek.curve.key_size // 8
    x, y = encrypted_secret[4 : 4 + size], encrypted_secret[6 + size :]
    other = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), ek.curve).public_key()
    z = ek.exchange(ec.ECDH(), other)
    own_x = ek.public_key().public_numbers().x.to_bytes(size, "big")
    return kdfe(hash_name, z, b"IDENTITY", x, own_x, hashlib.new(hash_name).digest_size * 8)


def activate(ek, suite, name, id_object, encrypted_secret):
    hash_name, key_size = SUITES[suite]
    seed = recovered_seed(ek, hash_name, encrypted_secret)
    size = hashlib.new(hash_name).digest_size
    integrity, identity = id_object[4 : 4 + size], id_object[4 + size :]
    hmac_key = kdfa(hash_name, seed, b"INTEGRITY", b"", b"", size * 8)
    assert hmac.compare_digest(integrity, hmac.new(hmac_key, identity + name, hash_name).digest())
    return cfb(kdfa(hash_name, seed, b"STORAGE", name, b"", key_size * 8), identity, decrypt=True)[2:]


def vector(what, suite, ek, issuer, secret_size, name_algorithm="sha256", ephemeral=None):
    size = hashlib.new(name_algorithm).digest_size
    name = NAME_ALGORITHMS[name_algorithm] + derived(what + " name", size)
    secret, seed = derived(what + " secret", secret_size), derived(what + " seed", 48)
    ephemeral = ephemeral or derived(what + " ephemeral", 48)
    id_object, encrypted_secret = make(ek, suite, name, secret, seed, ephemeral)
    assert activate(ek, suite, name, id_object, encrypted_secret) == secret
    return {
        "what": what,
        "template": suite,
        "ek_certificate": base64.b64encode(certificate(ek.public_key(), issuer)).decode(),
        "ak_name": name.hex(),
        "secret": secret.hex(),
        "seed": seed.hex(),
        "ephemeral": ephemeral.hex(),
        "id_object": id_object.hex(),
        "encrypted_secret": encrypted_secret.hex(),
    }


def scalar(key):
    size = key.curve.key_size // 8
    return key.private_numbers().private_value.to_bytes(size, "big").ljust(48, b"\xa5")


def main():
    issuer, l1 = rsa_key("issuer"), rsa_key("endorsement key L-1")
    p256, p384 = ec.SECP256R1(), ec.SECP384R1()
    l2, h3 = ec_key(p256, "endorsement key L-2"), ec_key(p384, "endorsement key H-3")
    zero_ek = ec_key(p256, "endorsement key with zero", x_starts_with_zero)
    zero_ephemeral = ec_key(p256, "ephemeral with zero", x_starts_with_zero)
    zero_z = ec_key(p384, "shared with zero", lambda key: key.exchange(ec.ECDH(), h3.public_key())[0] == 0)
    vectors = [
        vector("RSA-2048", "L-1", l1, issuer, 32),
        vector("RSA-2048, a short secret, a SHA-384 Name", "L-1", l1, issuer, 7, "sha384"),
        vector("P-256", "L-2", l2, issuer, 32, ephemeral=scalar(ec_key(p256, "ephemeral L-2"))),
        vector("P-256, both points' x start with a zero byte", "L-2", zero_ek, issuer, 32, ephemeral=scalar(zero_ephemeral)),
        vector("P-384", "H-3", h3, issuer, 32, ephemeral=scalar(ec_key(p384, "ephemeral H-3"))),
        vector("P-384, the longest secret, a SHA-512 Name", "H-3", h3, issuer, 48, "sha512", scalar(ec_key(p384, "another"))),
        vector("P-384, the shared x starts with a zero byte", "H-3", h3, issuer, 16, ephemeral=scalar(zero_z)),
    ]
    path = pathlib.Path(__file__).with_name("credential.json")
    path.write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
