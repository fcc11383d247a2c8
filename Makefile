# Coterie: what one does with it. Each target sets up what it needs; the second time that takes a second.

VENV := .venv
PY := $(VENV)/bin/python
CARGO := PATH="$$PATH:$$HOME/.cargo/bin" PYO3_PYTHON="$(CURDIR)/$(PY)" cargo
ONLY ?=
FUZZ_SECONDS ?= 120
PYTEST_ARGS ?=
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench fuzz system-deps clean
.NOTPARALLEL:

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## everything needed to run: .venv/bin/coterie is the command
	@scripts/setup

demo: setup  ## two people, one server, real messages: a short transcript
	@$(PY) scripts/demo.py

test: setup  ## the tests, under ten minutes
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

check: setup  ## formats, lints, types and all tests, the slow ones too
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) test --locked
	$(PY) -m pytest -n $(WORKERS) --dist loadfile -m "" $(PYTEST_ARGS)

bench: setup  ## figures as JSON lines; ONLY="pairs rooms" for some of them
	@$(PY) -m bench $(ONLY)

fuzz: setup  ## random input to every decoder, for FUZZ_SECONDS (120)
	@$(PY) -m tests.fuzz --seconds $(FUZZ_SECONDS)

system-deps:  ## the Debian packages that are missing (as root)
	@scripts/system-deps

clean:  ## remove all that was built or downloaded here
	rm -rf $(VENV) build target dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests bench examples scripts crates -name __pycache__ -type d -prune -exec rm -rf {} +
