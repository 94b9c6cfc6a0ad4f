#!/bin/sh
# Makes swtpm/: endorsement key certificates of a fresh software TPM, as swtpm_setup and swtpm_localca (0.7.1) write them.
# Each run makes new keys. Needs swtpm-tools and openssl.
set -eu
out=$(cd "$(dirname "$0")" && pwd)/swtpm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out" "$work/ca" "$work/state"

cat >"$work/localca.conf" <<END
statedir = $work/ca
signingkey = $work/ca/signkey.pem
issuercert = $work/ca/issuercert.pem
certserial = $work/ca/certserial
END
cat >"$work/localca.options" <<END
--platform-manufacturer Test
--platform-version 1
--platform-model Test
END
cat >"$work/setup.conf" <<END
create_certs_tool = $(command -v swtpm_localca)
create_certs_tool_config = $work/localca.conf
create_certs_tool_options = $work/localca.options
END

swtpm_setup --tpm2 --ecc --tpmstate "$work/state" --create-ek-cert --config "$work/setup.conf" \
    --write-ek-cert-files "$work/state"
cp "$work/state/ek-rsa2048.crt" "$out/ek_rsa2048.der"
cp "$work/state/ek-secp384r1.crt" "$out/ek_p384.der"
openssl x509 -in "$work/ca/issuercert.pem" -outform der -out "$out/issuer.der"
openssl x509 -in "$work/ca/swtpm-localca-rootca-cert.pem" -outform der -out "$out/root.der"
openssl x509 -in "$work/ca/swtpm-localca-rootca-cert.pem" -out "$out/root.pem"
chmod 644 "$out"/*.der
