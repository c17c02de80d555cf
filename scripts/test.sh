#!/bin/sh
# Run every test with branch coverage; a test that needs PostgreSQL, Redis or Chromium must not skip where they are installed.
# Called by `make test`. Arguments go to pytest: `sh scripts/test.sh -n0 tests/ml` runs some tests, one after the other.
set -eu
cd "$(dirname "$0")/.."

if sh scripts/system_packages.sh has-postgres; then export ENTERPRISEHUB_REQUIRE_POSTGRES=1; fi
if sh scripts/system_packages.sh has-redis; then export ENTERPRISEHUB_REQUIRE_REDIS=1; fi
if sh scripts/system_packages.sh has-browser; then export ENTERPRISEHUB_REQUIRE_BROWSER=1; fi
# Tests start about a hundred processes; without compiled files each would compile its packages again, two seconds of CPU.
unset PYTHONDONTWRITEBYTECODE
rm -f .coverage .coverage.*
# One worker more than there are cores: some test always waits for a server that starts. A file stays with one worker: its
# tests share what it has started, and those of a journey go on from each other. Which file comes next: tests/support/schedule.py.
workers=$(($(getconf _NPROCESSORS_ONLN) + 1))
# On a shared machine a browser or a server may stand still for longer than a test can wait. There, a test that fails has one
# more go, and the summary lists it as RERUN: to be mended. At a desk it fails at once.
exec .venv/bin/pytest ${CI:+--reruns 1 -raR} -n "$workers" --dist loadfile --no-loadscope-reorder --cov --cov-report=term --cov-fail-under=90 "$@"
