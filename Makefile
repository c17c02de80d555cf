# The commands of the house. Each one prepares what it needs first: `make demo` and `make test` work on a fresh machine.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench load screens docs fmt lock clean dev system peers
BIN := .venv/bin

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

setup:  ## make .venv with the pinned packages
	@sh scripts/setup.sh

demo: setup  ## a live brokerage on your machine: signed webhooks in, moving screens out
	@$(BIN)/enterprisehub demo

test: dev system  ## every test, with branch coverage of 90 % or more
	@sh scripts/test.sh

check: dev  ## format, lint, types, import contracts, house rules: under a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_house.py

bench: dev system peers  ## measure every promised number (ONLY=NAME for one, JSON=FILE to keep them); all: docs/benchmarks.md too
	$(BIN)/enterprisehub bench $(if $(ONLY),--only $(ONLY),--report docs) $(if $(JSON),--json $(JSON))

load: setup  ## 100 screens, 50 webhooks/s: nobody may miss anything (VIEWERS=1000 PER_SECOND=200 for more)
	$(BIN)/enterprisehub load $(if $(VIEWERS),--viewers $(VIEWERS)) $(if $(PER_SECOND),--per-second $(PER_SECOND))

screens: dev system  ## take the pictures of every page again: docs/screens
	$(BIN)/enterprisehub screens docs/screens

docs: dev  ## write the generated pages again: events, settings, index of decisions
	$(BIN)/python scripts/generate_docs.py

fmt: dev  ## format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: dev  ## pin the dependencies again (UPGRADE=1 for newest versions)
	sh scripts/lock.sh $(if $(UPGRADE),--upgrade)

clean:  ## remove what the other targets can make again; data/ stays
	rm -rf .venv .tools .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache htmlcov *.egg-info
	rm -f .coverage .coverage.*
	find ghl_real_estate_ai tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

# Steps that others need, not commands of their own.
dev:
	@sh scripts/setup.sh dev

system:
	@sh scripts/system_packages.sh test || true

peers:
	@sh scripts/bench_peers.sh
