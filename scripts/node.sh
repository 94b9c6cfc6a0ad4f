#!/usr/bin/env bash
# Installs the locked packages of examples/node into .state/node, for the end-to-end tests. Does nothing where they match already.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/phase.sh

readonly FOLDER=.state/node LOCK=examples/node/package-lock.json
recipe=$({ cat examples/node/package.json "$LOCK"; node --version; } | sha256sum)
if [ -f "$FOLDER/.lock.sha256" ] && [ "$(<"$FOLDER/.lock.sha256")" = "$recipe" ]; then
  say "    $FOLDER is up to date"
  exit
fi

mkdir -p "$FOLDER"
rm -f "$FOLDER/.lock.sha256"
cp examples/node/package.json "$LOCK" "$FOLDER"
npm ci --prefix "$FOLDER" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
# Node looks for packages beside the program: seen through these links, programs of ours are beside these.
ln -sfn ../../examples/node "$FOLDER/examples"
ln -sfn ../../tests/node "$FOLDER/tests"
printf '%s\n' "$recipe" >"$FOLDER/.lock.sha256"
