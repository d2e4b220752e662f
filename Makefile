# `make` lists the targets. Each sets up what it needs, in .venv* here and nowhere else.
# PYTHON is any Python from 3.11 on; ARGS goes to the program that the target runs: make test ARGS="-k order".
# Tests run in WORKERS processes; with WORKERS=0 in the one that a debugger sees.

PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
READY := .venv/ready
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint .ci/constraints.txt
PARALLEL := --numprocesses $(WORKERS) --dist worksteal
SOURCES := client daemon protocol tests docs/make_api.py

.PHONY: help demo test test-all check format docs bench servers clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

demo: $(READY)  ## train, log, kill the daemon half-way, check every promise (a minute)
	@$(BIN)/python -m artifactd.client.demo $(ARGS)

test: $(READY) servers  ## every test but the long ones (ten minutes at most)
	$(BIN)/pytest $(PARALLEL) -m "not long" $(ARGS)

test-all: $(READY) servers  ## every test, with the long ones (45 minutes at most)
	$(BIN)/pytest $(PARALLEL) $(ARGS)

check: $(READY)  ## ruff, its formatter, mypy, import-linter
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## let ruff format and fix what it can
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

docs: $(READY)  ## write docs/api.md from the docstrings
	$(BIN)/python docs/make_api.py

bench:  ## the benchmarks against wandb, s5cmd and obstore
	PYTHON="$(PYTHON)" tests/bench/run.sh $(ARGS)

servers:
	@PYTHON="$(PYTHON)" tests/servers/install.sh

clean:  ## remove everything that the other targets made
	rm -rf .venv .venv-servers .venv-bench build dist
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find $(SOURCES) docs -name __pycache__ -prune -exec rm -rf {} +

# The file is written last: an installation that was cut off starts again. An environment that works is kept: a
# second Python over it would mix the two.
$(READY): pyproject.toml .ci/constraints.txt
	@echo "installing into .venv, once"
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or later is needed: make PYTHON=…")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(PIP) hatchling
	@$(PIP) --no-build-isolation --editable '.[test,check]'
	@touch $@
