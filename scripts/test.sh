#!/bin/sh
# Run every test with branch coverage; a test that needs PostgreSQL, Redis or Chromium must not skip where they are installed.
# Called by `make test`. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."

if sh scripts/system_packages.sh has-postgres; then export ENTERPRISEHUB_REQUIRE_POSTGRES=1; fi
if sh scripts/system_packages.sh has-redis; then export ENTERPRISEHUB_REQUIRE_REDIS=1; fi
if sh scripts/system_packages.sh has-browser; then export ENTERPRISEHUB_REQUIRE_BROWSER=1; fi
rm -f .coverage .coverage.*
exec .venv/bin/pytest --cov --cov-report=term --cov-fail-under=90 "$@"
