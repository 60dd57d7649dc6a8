# `make demo` and `make test` do their own set-up; both are quick the second time.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests run side by side; one more than two cores, as many wait for a clock or a process.
WORKERS ?= 3
.DEFAULT_GOAL := help

help:  ## show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(STAMP): pyproject.toml $(wildcard setup.py drivers/hashing/*.c drivers/hashing/*.h)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version). Try: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python's venv module is missing. Install it with: sudo apt install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@$(BIN)/python -m compileall -q drivers stratum_client
	@touch $@

setup: $(STAMP)  ## install into .venv

demo: $(STAMP)  ## mine at an embedded pool: make demo ARGS="--for 15s"
	@$(BIN)/stratum-client demo $(ARGS)

test: $(STAMP)  ## run every test: make test ARGS="-k session"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --timeout 240 $(ARGS)

check: $(STAMP)  ## ruff, format, mypy, import layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_layers.py

bench: $(STAMP)  ## measure; prints a table of ratios
	@$(BIN)/python -m tests.benchmarks $(ARGS)

soak: $(STAMP)  ## the long runs: chaos, faults, minutes to hours
	@$(BIN)/python -m pytest -q -s --soak tests/soak $(ARGS)

clean:  ## remove what the other targets made
	rm -rf $(VENV) build *.egg-info drivers/hashing/*.so .mypy_cache .ruff_cache .pytest_cache

.PHONY: help setup demo test check bench soak clean
