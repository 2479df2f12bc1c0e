# Every target makes what it needs: the environment in .venv first, and again only when its inputs changed.
# Variables: PYTHON (interpreter for a new .venv), ARGS (passed on to the command), WORKERS (test processes).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
WORKERS ?= auto
ARGS ?=
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal --quiet

INSTALL_INPUTS := pyproject.toml scripts/environment.sh $(wildcard setup.py) \
	$(shell find src/native -name '*.[ch]' -type f 2>/dev/null)

.PHONY: help demo test check lint types arch docs bench clean


help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

.venv/.ready: $(INSTALL_INPUTS)
	@scripts/environment.sh
	@touch $@

.venv/.ready-%: $(INSTALL_INPUTS)
	@scripts/environment.sh $*
	@touch $@ .venv/.ready

demo: .venv/.ready ## Run the demo: kernels on a real photograph and a real table, checked and timed against NumPy
	@$(BIN)/python -m gyral demo $(ARGS)

test: .venv/.ready-dev ## Run the tests
	@scripts/system_packages.sh
	@scripts/tint.sh
	@$(PYTEST) $(ARGS)

check: lint types ## Lint, types, then all tests, the architecture's among them, with coverage (95 % of lines or more)
	@$(MAKE) test ARGS="--cov --cov-report=term $(ARGS)"

lint: .venv/.ready-dev ## Check style with ruff
	@$(BIN)/ruff check src tests benchmarks docs

types: .venv/.ready-dev ## Check types with pyright
	@$(BIN)/pyright --warnings

arch: .venv/.ready-dev ## Check the layers and the rules of the house alone
	@$(BIN)/python -m pytest --quiet tests/arch

docs: .venv/.ready-docs ## Build the documentation into site/, strictly
	@$(BIN)/python docs/generate.py
	@$(BIN)/zensical build --strict --clean

bench: .venv/.ready-bench ## Time the benchmark kernels on this machine
	@$(BIN)/python -m gyral bench $(ARGS)

clean: ## Remove what the targets made, .venv included
	rm -rf .venv build dist site .cache docs/pages/generated .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* gyral-demo
	rm -f src/gyral/_native*.so
	rm -rf src/*.egg-info
