#!/bin/sh
# Make .venv with the pinned packages: `scripts/setup.sh` for running, `scripts/setup.sh dev` for tools and tests too.
# Called by the Makefile. Changes nothing when the locks have not changed. Proxies and pip's own configuration count.
set -eu
cd "$(dirname "$0")/.."

case ${1:-runtime} in
    runtime) lock=requirements.lock ;;
    dev) lock=requirements-dev.lock ;;
    *) echo "usage: scripts/setup.sh [runtime|dev]" >&2; exit 2 ;;
esac
stamp=.venv/.enterprisehub-$lock

say() { echo "setup: $*" >&2; }
stop() { say "$*"; exit 1; }

fits() { # a Python that starts (a pyenv shim may not) and is 3.12 or newer
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1
}

find_python() {
    command -v python3 >/dev/null || sh scripts/system_packages.sh python3 || true
    for candidate in python3.13 python3.12 python3.14 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python; do
        if fits "$candidate"; then echo "$candidate"; return 0; fi
    done
    if command -v uv >/dev/null; then
        uv python find '>=3.12' 2>/dev/null && return 0
        say "no Python 3.12 or newer here; uv fetches one"
        uv python install --quiet 3.12 && uv python find 3.12 && return 0
    fi
    return 1
}

fetch_python() { # an older python3 can install uv, and uv can fetch a newer Python
    python3 -m venv --help >/dev/null 2>&1 || return 1
    say "no Python 3.12 or newer here; python3 installs uv, uv fetches one"
    rm -rf .tools
    python3 -m venv .tools 2>/dev/null || {
        sh scripts/system_packages.sh python3-venv && rm -rf .tools && python3 -m venv .tools
    } || return 1
    .tools/bin/python -m pip install --quiet uv && .tools/bin/uv python install --quiet 3.12 && .tools/bin/uv python find 3.12
}

make_venv() {
    rm -rf .venv
    "$1" -m venv .venv >/dev/null 2>&1 && return 0
    # Debian and Ubuntu keep ensurepip in a package of its own.
    rm -rf .venv
    version=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    sh scripts/system_packages.sh "$version" && "$1" -m venv .venv && return 0
    rm -rf .venv
    command -v uv >/dev/null && uv venv --quiet --seed --python "$1" .venv && return 0
    "$1" -m virtualenv --quiet .venv 2>/dev/null && return 0
    stop "cannot make .venv: install $version (or uv, or virtualenv) and run this again"
}

pip_setting() { # what pip would use: its environment variable first, then its files
    eval "value=\${PIP_$2:-}"
    [ -n "$value" ] || value=$(.venv/bin/python -m pip config list 2>/dev/null | sed -n "s/^global\.$1='\(.*\)'$/\1/p")
    echo "$value" | sed 's/\\n/ /g'
}

install() {
    pin=.venv/uv-pin.txt
    awk '/^[^ ]/ { ours = /^uv==/ } ours' "$lock" >"$pin"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r "$pin" ||
        stop "pip cannot fetch uv: check the network, the proxy (HTTPS_PROXY) and \`pip config list\`"
    # uv takes seconds where pip takes minutes, but it does not read pip's settings: hand the common ones over.
    # Like pip it then takes a version from whichever index has it; the hashes say which files are the right ones.
    export UV_INDEX_STRATEGY="${UV_INDEX_STRATEGY:-unsafe-best-match}" UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
    UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$(pip_setting index-url INDEX_URL)}
    UV_INDEX=${UV_INDEX:-$(pip_setting extra-index-url EXTRA_INDEX_URL)}
    UV_FIND_LINKS=${UV_FIND_LINKS:-$(pip_setting find-links FIND_LINKS | tr ' ' ',')}
    SSL_CERT_FILE=${SSL_CERT_FILE:-$(pip_setting cert CERT)}
    for name in UV_DEFAULT_INDEX UV_INDEX UV_FIND_LINKS SSL_CERT_FILE; do
        eval "value=\$$name"
        if [ -n "$value" ]; then export "${name?}"; else unset "$name"; fi
    done
    if ! .venv/bin/uv pip sync --quiet --require-hashes --python .venv/bin/python "$lock"; then
        say "uv could not install the pins; pip tries (slower, it knows every setting of this machine)"
        .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r "$lock" ||
            stop "the packages of $lock cannot be fetched: check the network, the proxy and \`pip config list\`"
    fi
    .venv/bin/uv pip install --quiet --no-deps --no-build-isolation --offline --python .venv/bin/python --editable . ||
        stop "the package itself does not install: run \`.venv/bin/uv pip install --no-deps --no-build-isolation -e .\`"
}

sh scripts/system_packages.sh runtime || true # says what is missing; the models say so again when they need it

wanted=$(cat "$lock" pyproject.toml | cksum)
if [ -x .venv/bin/enterprisehub ] && fits .venv/bin/python; then
    # The development set holds the runtime set at the same versions, so it serves both.
    for made in "$stamp" .venv/.enterprisehub-requirements-dev.lock; do
        made_for=$(cat "${made##*enterprisehub-}" pyproject.toml | cksum)
        if [ "$(cat "$made" 2>/dev/null)" = "$made_for" ]; then exit 0; fi
    done
fi

if ! fits .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python || fetch_python) ||
        stop "Python 3.12 or newer is needed and none could be fetched: install python3.12 and python3.12-venv (or uv) and run this again"
    make_venv "$python"
fi
say "installing the packages of $lock into .venv"
install
rm -f .venv/.enterprisehub-*
echo "$wanted" >"$stamp"
say "ready"
