# The menu. `make run` and `make test` need python3 and make, nothing else.
VENV ?= .venv
JOBS ?= 2
ARGS ?=
PY := $(VENV)/bin/python
USE := $(VENV)/.for-use
WORK := $(VENV)/.for-work
STEPS := lint types unit process smoke fuzz sim

.PHONY: help run test $(STEPS) slow system bench nat news clean

help:
	@echo "make run [ARGS=--once]  a network of real nodes on this machine, tried out and shown"
	@echo "make test               all of: $(STEPS); one of them: make unit"
	@echo "make slow               the tests with processes in full: hours"
	@echo "make bench              the figures, beside other DHTs"
	@echo "make nat                who meets whom behind which router: docs/nat.md"
	@echo "make news               the changelog as the next release would have it"
	@echo "make clean              remove what these made"

run: $(USE)
	@$(PY) -m demo $(ARGS)

test: $(WORK) system
	@JOBS=$(JOBS) tools/check $(PY) $(STEPS)

$(STEPS): $(WORK)
	@JOBS=$(JOBS) tools/check $(PY) $@

unit process slow: system

slow: $(WORK)
	@STREEMBIT_LONG=1 tools/check $(PY) process

system:
	@tools/system

bench: $(WORK)
	@$(PY) -m pip install --quiet --disable-pip-version-check -e ".[bench]"
	@$(PY) -m bench

nat: $(WORK) system
	@$(PY) -m bench.nat

news: $(WORK)
	@$(VENV)/bin/towncrier build --draft --version next

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .hypothesis _trial_temp* $(VENV)

$(USE): setup.cfg pyproject.toml
	@tools/venv $(VENV) .
	@touch $@

$(WORK): setup.cfg pyproject.toml
	@tools/venv $(VENV) ".[dev]"
	@touch $@ $(USE)
