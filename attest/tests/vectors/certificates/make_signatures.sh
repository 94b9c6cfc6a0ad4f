#!/bin/sh
# Makes signatures/: leaves that are signed with each algorithm, those that are refused included, and their roots. Each run
# makes new keys. All are valid from 2026-01-01 to 9999-12-31, but the root of version 1, which is from the day of the run.
# Needs openssl 3.
set -eu
out=$(cd "$(dirname "$0")" && pwd)/signatures
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
cd "$work"

cat >config <<END
[req]
distinguished_name = name
prompt = no
[name]
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
[ca]
default_ca = all
[all]
new_certs_dir = $work
database = $work/index
rand_serial = yes
policy = policy
unique_subject = no
default_md = sha256
[policy]
commonName = supplied
END
: >index

# root NAME KEY_OPTIONS: a self-signed root
root() {
    name=$1
    shift
    openssl genpkey "$@" -out "$name.key"
    openssl req -new -config config -subj "/CN=Test root $name" -key "$name.key" -out "$name.csr"
    sign "$name" "$name" -selfsign -extensions root
}

# sign NAME ROOT OPTIONS: a certificate
sign() {
    name=$1 root=$2
    shift 2
    openssl ca -batch -notext -config config -in "$name.csr" -keyfile "$root.key" -cert "$root.pem" \
        -startdate 20260101000000Z -enddate 99991231235959Z -out "$name.pem" "$@"
    openssl x509 -in "$name.pem" -outform der -out "$out/$name.der"
}

# leaf NAME ROOT OPTIONS: a leaf of the root
leaf() {
    name=$1
    root=$2
    shift 2
    cp leaf.csr "$name.csr"
    sign "$name" "$root" -extensions leaf "$@"
}

openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out leaf.key
openssl req -new -config config -subj "/CN=Test leaf" -key leaf.key -out leaf.csr

root root_2048 -algorithm RSA -pkeyopt rsa_keygen_bits:2048
root root_1024 -algorithm RSA -pkeyopt rsa_keygen_bits:1024
root exponent_3 -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3
root root_ed25519 -algorithm ED25519
root root_p256 -algorithm EC -pkeyopt ec_paramgen_curve:P-256
root root_p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384

for hash in sha256 sha384 sha512 sha1; do
    leaf "pkcs1_$hash" root_2048 -md "$hash"
    leaf "pss_$hash" root_2048 -md "$hash" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest
done
leaf pss_salt_20 root_2048 -md sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20
leaf pss_mask_sha1 root_2048 -md sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -sigopt rsa_mgf1_md:sha1
leaf under_1024 root_1024
leaf under_ed25519 root_ed25519 -md null
for hash in sha256 sha384 sha1; do
    leaf "p256_$hash" root_p256 -md "$hash"
    leaf "p384_$hash" root_p384 -md "$hash"
done

# A root of version 1: without extensions.
openssl req -new -config config -subj "/CN=Test root version 1" -key root_2048.key -out v1.csr
openssl x509 -req -in v1.csr -key root_2048.key -days 36500 -out root_v1.pem
openssl x509 -in root_v1.pem -outform der -out "$out/root_v1.der"
cp root_2048.key root_v1.key
leaf under_v1 root_v1
