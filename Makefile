# hedged: what one types. `make` alone explains itself.
# Needs Python >= 3.11, git and make; everything else lands in .venv (no compiler, no root).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The first interpreter that really runs, is new enough and can make a virtual environment. Asked by
# running it: version managers put a python3.13 on the path that is not there. `make PYTHON=...` chooses.
usable := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" -c '$(usable)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)

TORCH_VERSION := 2.13.0
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
BASE_IMAGE ?= python:3.11.14-slim-bookworm
BUILD_ARGS ?=
SERVICES ?= hedged prometheus alertmanager grafana
ARGS ?=
FUZZ ?= 2000
# Much of the suite's time is waiting for real processes: three workers overlap it on two cores. WORKERS=0: one process (for -s, --pdb).
WORKERS ?= 3

VENV := .venv
BIN := $(VENV)/bin

# A stamp carries the checksum of what it was made from in its name: a step runs again when the content
# changed, not when git touched the file. Each step first drops its own older stamps.
key = $(firstword $(shell cat $(1) 2>/dev/null | cksum))
STAMPS := $(VENV)/.stamps
MADE := $(STAMPS)/venv
SERVE := $(STAMPS)/serve-$(call key,requirements.lock)
PACKAGE := $(STAMPS)/package-$(call key,pyproject.toml)
DEV := $(STAMPS)/dev-$(call key,requirements-dev.lock)
TORCH := $(STAMPS)/torch-$(TORCH_VERSION)

pip_install = scripts/pip_step.sh $(BIN)/python
# Compile once here, on all cores, so that the first start is as quick as the second. A few packages carry
# files for other Python versions that do not compile: that is not an error.
compile = echo '    compiling to bytecode'; $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
stamp = rm -f $(STAMPS)/$(1)-*; touch $@

.PHONY: help setup run test simulate check lint format typecheck lock dashboards bench crash fuzz audit sbom clean image \
	image-train image-test

help: ## Say what each target does
	@echo 'hedged: make <target>'
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12 | sed 's/^/  /'

setup: $(SERVE) $(PACKAGE) $(DEV) $(TORCH) ## Make .venv with everything: daemon, tools, torch
	@echo '==> .venv is complete'

run: $(SERVE) $(PACKAGE) ## Run the demo: no account, no network, no torch (ARGS='...' goes to hedged demo)
	@$(BIN)/hedged demo $(ARGS)

test: $(SERVE) $(PACKAGE) $(DEV) $(TORCH) ## Run the tests (ARGS='...' goes to pytest)
	@echo '==> tests'
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: lint typecheck test simulate ## What CI runs: lint, format, types, import contracts, tests, simulation
	@echo '==> check passed'

lint: $(SERVE) $(PACKAGE) $(DEV) ## ruff, formatting, import contracts
	@echo '==> ruff check'
	@$(BIN)/ruff check
	@echo '==> ruff format --check'
	@$(BIN)/ruff format --check
	@echo '==> import contracts'
	@$(BIN)/lint-imports

format: $(SERVE) $(PACKAGE) $(DEV) ## Let ruff put things in order
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

typecheck: $(SERVE) $(PACKAGE) $(DEV) ## mypy --strict
	@echo '==> mypy --strict'
	@$(BIN)/mypy --strict hedged

docs: $(SERVE) $(DEV) ## Make the documentation as a site: out/docs/index.html
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs out/docs
	@echo '==> out/docs/index.html'

lock: ## Resolve the dependencies anew into requirements*.lock
	@PYTHON='$(PYTHON)' scripts/lock.sh

dashboards: $(SERVE) $(DEV) ## Write Grafana's dashboards anew from deploy/grafana/source and docs/runbook.md
	@$(BIN)/python deploy/grafana/source/make.py

simulate: $(SERVE) $(PACKAGE) ## The daemon against faults, 500 seeds of four hours (ARGS='...' goes to hedged simulate)
	@echo '==> simulation'
	@$(BIN)/hedged simulate --seeds 1..400 --mode safety --jobs 2 $(ARGS)
	@$(BIN)/hedged simulate --seeds 1..100 --mode liveness --jobs 2 $(ARGS)

bench: $(SERVE) $(PACKAGE) $(DEV) $(TORCH) ## Run every benchmarks/bench_*.py
	@for b in benchmarks/bench_*.py; do \
		[ -e "$$b" ] || { echo 'no benchmarks/bench_*.py yet'; break; }; \
		echo "==> $$b"; $(BIN)/python "$$b" $(ARGS); done

fuzz: $(SERVE) $(PACKAGE) $(DEV) ## Hostile input of every kind, 2,000 examples each (FUZZ=... for another number, ARGS='...' for pytest)
	@HEDGED_FUZZ=$(FUZZ) $(BIN)/python -m pytest tests/fuzz -o timeout=0 $(ARGS)

audit: $(SERVE) $(PACKAGE) $(DEV) ## Licences of all that is served with, and known vulnerabilities (needs a network)
	@$(BIN)/python scripts/sbom.py --licences
	@$(BIN)/python -m pip_audit --strict --no-deps --disable-pip -r requirements.lock

sbom: $(SERVE) $(PACKAGE) $(DEV) ## Write the bill of materials, out/sbom.json (CycloneDX 1.6)
	@$(BIN)/python scripts/sbom.py out/sbom.json

crash: $(SERVE) $(PACKAGE) $(DEV) ## Kill the real daemon 200 times while it trades, and compare it with the venues (ARGS='ROUNDS SEED')
	@$(BIN)/python scripts/crash.py $(ARGS)

build_image = docker build $(BUILD_ARGS) --build-arg BASE_IMAGE='$(BASE_IMAGE)' --build-arg VERSION=0.1.0 \
	--build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)"

image: ## Build the container image of the daemon (BASE_IMAGE=... to start from another one; BUILD_ARGS)
	$(build_image) --target serve -t hedged:0.1.0 .

image-train: ## Build the image that retrains, with torch
	$(build_image) --target train -t hedged-train:0.1.0 .

image-test: image $(SERVE) $(PACKAGE) $(DEV) ## Run that image with its stack on a real engine (SERVICES='hedged ...' for a part of it)
	@HEDGED_IMAGE_TEST=1 HEDGED_IMAGE_SERVICES='$(SERVICES)' $(BIN)/python -m pytest tests/deploy/test_container_engine.py $(ARGS)

clean: ## Remove .venv, caches and out/
	rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(MADE):
	@if [ -z '$(PYTHON)' ]; then \
		echo 'hedged needs Python 3.11 or newer with its venv module, and found none.' >&2; \
		echo 'Install one (Debian and Ubuntu: python3 and python3-venv), or: make PYTHON=/path/to/python' >&2; \
		exit 1; fi
	@'$(PYTHON)' -c '$(usable)' || { \
		echo '$(PYTHON) is older than 3.11, or has no venv module (Debian: python3-venv)' >&2; exit 1; }
	@echo "==> creating .venv with $$('$(PYTHON)' --version)"
	@rm -rf $(VENV)
	@'$(PYTHON)' -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(SERVE): | $(MADE)
	@echo '==> what the daemon needs (requirements.lock)'
	@$(pip_install) --no-deps -r requirements.lock
	@$(compile)
	@$(call stamp,serve)

$(DEV): | $(SERVE)
	@echo '==> tools for tests and checks (requirements-dev.lock)'
	@$(pip_install) --no-deps -r requirements-dev.lock
	@$(compile)
	@$(call stamp,dev)

# setuptools, the build backend, is in the lock: nothing is fetched here. "compat" is a plain path entry,
# which the daemon's start and mypy both read quicker than setuptools' import hook.
$(PACKAGE): | $(SERVE)
	@echo '==> hedged itself'
	@$(pip_install) --no-deps --no-build-isolation --config-settings editable_mode=compat -e . >/dev/null
	@$(call stamp,package)

# Where the index cannot be reached, pip goes on with the indexes it knows already.
$(TORCH): | $(SERVE)
	@echo '==> torch $(TORCH_VERSION), for training only (TORCH_INDEX=$(TORCH_INDEX))'
	@$(pip_install) torch==$(TORCH_VERSION) --extra-index-url $(TORCH_INDEX) --retries 1 --timeout 5
	@$(compile)
	@$(call stamp,torch)
