#!/bin/sh
# Install the Node servers that the bench measures beside ours into .tools/peers, if npm is here. Called by `make bench`.
# Without npm, or without a network, the bench says so and leaves their rows out. npm's own configuration counts.
set -eu
cd "$(dirname "$0")/.."

folder=.tools/peers
wanted=$(cksum <bench/peers/package.json)
if [ "$(cat "$folder/installed" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "bench: node and npm are missing: Node ws and Socket.IO are not measured" >&2
    exit 0
fi
mkdir -p "$folder"
cp bench/peers/package.json "$folder/"
if npm install --prefix "$folder" --no-package-lock --no-audit --no-fund --silent >/dev/null; then
    echo "$wanted" >"$folder/installed"
else
    echo "bench: npm cannot install bench/peers/package.json: Node ws and Socket.IO are not measured" >&2
fi
