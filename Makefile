# The front door. `make` alone lists what there is.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
FIGURES := docs/figures

.DEFAULT_GOAL := help
.PHONY: help play test check coverage mutants fuzz soak bench performance docs clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

$(STAMP): pyproject.toml setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("PBS needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	@# A system Python may lack parts of venv, or refuse to install: then virtualenv, kept in a folder of our own.
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV) .bootstrap; \
	  $(PYTHON) -m pip install --quiet --target .bootstrap virtualenv && \
	  PYTHONPATH=.bootstrap $(PYTHON) -m virtualenv --quiet $(VENV); }
	@echo "installing PBS and what it needs into $(VENV) (once)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

play: $(STAMP)  ## play pong: in a window, in the terminal, or without a screen
	@$(BIN)/pbs run cartridges/pong --view auto

test: $(STAMP)  ## the whole test suite
	@$(BIN)/python -m pytest -n 2

check: $(STAMP)  ## style, types, layers, generated documents; under a minute
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python docs/generate.py --check

coverage: $(STAMP)  ## branches of the trusted modules that their unit tests take
	@$(BIN)/coverage run -m pytest -q $(addprefix tests/unit/,contract isa verifier loader replay vm) --deselect tests/unit/vm/test_native_cache.py
	@$(BIN)/coverage report

mutants: $(STAMP)  ## mistakes in the trusted modules that their tests find: MUTANTS=200 (0: all) SEED=1 MODULES=...
	@$(BIN)/python -m tests.mutation $(MODULES) --mutants $(or $(MUTANTS),200) --seed $(or $(SEED),1) --report .mutants.json

fuzz: $(STAMP)  ## random programs through all engines: SECONDS=600 SEED=n
	@$(BIN)/python -m tests.proof fuzz --seconds $(or $(SECONDS),60) --seed $(or $(SEED),0)

soak: $(STAMP)  ## every proof at full scale, for hours: JOBS=2; writes soak.json, and goes on with it
	@$(BIN)/python -m tests.proof soak --jobs $(or $(JOBS),2) --json soak.json --resume

bench: $(STAMP)  ## how fast: kernels, cartridges, costs; the peers that are here; units
	@$(BIN)/pbs bench run
	@$(BIN)/pbs bench peers
	@$(BIN)/python -m pytest --pyargs pbs.bench.units --benchmark-only --benchmark-timer=time.process_time -q

performance: $(STAMP)  ## measure what docs/performance.md says; a quarter of an hour
	@$(BIN)/pbs bench peers --rounds 5 --chart $(FIGURES)/peers.svg --json > $(FIGURES)/peers.new
	@$(BIN)/pbs bench run --engine compiled --rounds 7 --json > $(FIGURES)/run.new
	@$(BIN)/pbs bench run start first first-wait core-wait --rounds 5 --json > $(FIGURES)/start.new
	@$(BIN)/pbs bench run snapshot snapshot-more digest digest-more --engine compiled --rounds 15 --json > $(FIGURES)/state.new
	@$(BIN)/python -m pbs.bench.metering --json > $(FIGURES)/metering.new
	@$(BIN)/pbs bench growth --charts $(FIGURES) --json > $(FIGURES)/growth.new
	@cd $(FIGURES) && for name in peers run start state metering growth; do mv $$name.new $$name.json; done
	@$(BIN)/python docs/generate.py

docs: $(STAMP)  ## write the generated documents again
	@$(BIN)/python docs/generate.py

clean:  ## remove everything that was made
	rm -rf $(VENV) .bootstrap build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks .import_linter_cache .coverage .mutants.json soak.json fuzz-failure.* bench/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
