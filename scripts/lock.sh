#!/bin/sh
# Pin every dependency with its hashes: requirements.lock (runtime) and requirements-dev.lock (plus tools and tests).
# Called by `make lock`. Pass --upgrade to move to the newest versions that pyproject.toml allows.
set -eu
cd "$(dirname "$0")/.."

# setuptools builds the package, uv installs the pins; both are pinned along with the rest.
lock() {
    output=$1
    shift
    printf 'setuptools>=80\nuv>=0.9\n' | .venv/bin/uv pip compile pyproject.toml - --universal --python-version 3.12 \
        --generate-hashes --no-emit-index-url --no-emit-find-links --quiet \
        --custom-compile-command "make lock" --output-file "$output" "$@"
}

lock requirements.lock "$@"
lock requirements-dev.lock --extra dev --constraint requirements.lock "$@"
echo "Locked: requirements.lock, requirements-dev.lock"
