#!/usr/bin/env bash
# Installs the Debian packages that building, running and testing need. Does nothing where all are there already.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/phase.sh

packages=(
  build-essential pkg-config # C parts of Rust crates (onig, ring), and how libtss2 is found
  libtss2-dev                # TPM Software Stack: ESYS and its TCTI modules
  swtpm swtpm-tools          # the software TPM for development and tests
  tpm2-tools                 # an independent judge of our quotes, in tests
  openssl                    # another, and of certificates
  curl                       # the first chat of `make run`
)

# Debian's own interpreter comes without the library's link name and without venv; others bring both.
python=${PYTHON:-python3}
if command -v "$python" >/dev/null && [ "$(readlink -f "$(command -v "$python")")" = "$(readlink -f /usr/bin/python3 2>/dev/null)" ]; then
  packages+=(python3-dev python3-venv)
fi

# Any other Node.js than Debian's will do as well, and brings npm along.
command -v node >/dev/null && command -v npm >/dev/null || packages+=(nodejs npm) # for the tests' Node clients

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

command -v apt-get >/dev/null || die "these packages are missing and there is no apt-get to install them: ${missing[*]}"
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || die "installing ${missing[*]} needs root: run as root or install sudo"
  sudo=(sudo)
fi
say "    installing: ${missing[*]}"
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
