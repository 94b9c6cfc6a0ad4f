#!/usr/bin/env python3
"""Writes receipt.json, the known answers of docs/spec/receipts.md, without any code of this project.

Needs the package `cryptography`. Ed25519 is deterministic (RFC 8032), so the file never changes.
"""

import base64
import hashlib
import json
import pathlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SEED = bytes(range(32))


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def canonical(value: dict) -> bytes:
    """RFC 8785 for what occurs in a receipt: ASCII keys, strings, whole numbers, null."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sign(claims: dict) -> dict:
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    kid = b64url(hashlib.sha256(canonical({"crv": "Ed25519", "kty": "OKP", "x": b64url(public)})).digest())
    header = canonical({"alg": "EdDSA", "kid": kid, "typ": "blindllama-receipt+jws"})
    payload = canonical(claims)
    signing_input = f"{b64url(header)}.{b64url(payload)}"
    return {
        "public_key": base64.b64encode(public).decode(),
        "kid": kid,
        "header": header.decode(),
        "payload": payload.decode(),
        "receipt": f"{signing_input}.{b64url(key.sign(signing_input.encode()))}",
    }


def vector(name: str, request: str, hashed: str, end: str, **changes) -> dict:
    claims = {
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "request_id": "req-000102030405060708090a0b0c0d0e0f",
        "request_sha256": sha256(request.encode()),
        "response_sha256": sha256(hashed.encode()),
        "binding_digest": sha256(b"a binding"),
        "model": {"name": "org/Modèle", "weights_sha256": sha256(b"a weights manifest")},
        "prompt_tokens": 11,
        "completion_tokens": 2,
        "connection_sequence": 0,
        "received_at": 1767225600000,
        "completed_at": 1767225600123,
    } | changes
    signed = sign(claims)
    response = hashed + end.replace("RECEIPT", signed["receipt"])
    return {"name": name, "request": request, "response": response, **signed}


REQUEST = '{"model":"org/Modèle","messages":[{"role":"user","content":"hi"}]}'
EVENTS = 'data: {"choices":[{"delta":{"content":"hi"}}]}\n\ndata: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
TYPED_EVENTS = 'event: response.completed\ndata: {"type":"response.completed","sequence_number":0}\n\n'
ERROR = '{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}'

VECTORS = [
    vector("whole", REQUEST, '{"choices":[{"message":{"content":"hi"}}]}', ""),
    vector("stream", REQUEST, EVENTS, ": receipt RECEIPT\n\ndata: [DONE]\n\n", path="/v1/chat/completions?a=\\b", connection_sequence=1),
    vector("stream_without_done", REQUEST, TYPED_EVENTS, ": receipt RECEIPT\n\n", path="/v1/responses", connection_sequence=2),
    vector("unread", REQUEST, ERROR, "", status=413, request_sha256=None, prompt_tokens=None, completion_tokens=None),
]

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"seed": SEED.hex(), "vectors": VECTORS}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
