#!/usr/bin/env python3
"""Writes the seeds of each fuzz target to fuzz/seeds/: the project's test vectors, in the form that the target reads."""

import base64
import json
import pathlib
import shutil

ROOT = pathlib.Path(__file__).resolve().parent.parent
VECTORS = ROOT / "attest/tests/vectors"
SPEC = ROOT / "docs/spec/vectors"
SEEDS = ROOT / "fuzz/seeds"


def write(target, name, data):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def spec(name):
    return json.loads((SPEC / name).read_text())


def main():
    shutil.rmtree(SEEDS, ignore_errors=True)
    evidence = spec("evidence.json")
    write("evidence", "spec.json", json.dumps(evidence["evidence"]))
    write("policy", "spec.toml", evidence["policy"])
    write("public", "spec", base64.b64decode(evidence["evidence"]["tpm"]["ak_public"]))
    for vector in (VECTORS / "tpm").iterdir():
        for file, target in (("attest.bin", "quote"), ("signature.bin", "signature")):
            write(target, vector.name, (vector / file).read_bytes())
        if (vector / "ak_public.tpmt").exists():
            area = (vector / "ak_public.tpmt").read_bytes()
            write("public", vector.name, len(area).to_bytes(2, "big") + area)
    for log in VECTORS.glob("*/*/eventlog.bin"):
        write("firmware_log", log.parent.name, log.read_bytes())
    for certificate in VECTORS.glob("certificates/**/*.der"):
        write("certificate", certificate.parent.name + "-" + certificate.name, certificate.read_bytes())
    write("receipt", "spec", json.dumps(spec("receipt.json")))
    for number, credential in enumerate(spec("credential.json")):
        request = {"ak_name": credential["ak_name"]}
        for field in ("id_object", "encrypted_secret"):
            request[field] = base64.b64encode(bytes.fromhex(credential[field])).decode()
        write("activation", str(number), json.dumps(request))
    requests = json.loads((ROOT / "gateway/tests/fixtures/requests.json").read_text())
    for route, bodies in enumerate(requests.values()):
        for number, body in enumerate(bodies):
            write("request", f"{route}-{number}", f"{route}{json.dumps(body)}")


main()
