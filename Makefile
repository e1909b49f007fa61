# `make run` and `make test` need Python 3.11 or newer with venv, and nothing else. `make help` lists the rest.

# The first that is new enough and starts: a shim that is there but does not run is passed over.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$name && break; done)
# Any build of this version will do. Without one, a CPU build is installed: the plain Linux wheel brings gigabytes of CUDA.
TORCH_VERSION ?= 2.13.0
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

# Advisories that do not concern this project, each with the reason in a comment.
AUDIT_PASSED_OVER ?=

BIN := .venv/bin
INSTALLED := .venv/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help install run test lint audit check soak bench sql lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

install: $(INSTALLED) ## Install into .venv, with a CPU build of torch

run: $(INSTALLED) ## Run everything on one port, with a demo household at first start; Ctrl-C stops it
	@exec $(BIN)/palate up --demo

test: $(INSTALLED) ## Run the tests, two files at a time
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(INSTALLED) ## Check format, lint, types and who imports whom
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(INSTALLED) ## Look for known weaknesses in what is installed; no network is no failure
	@$(BIN)/python .ci/audit.py $(AUDIT_PASSED_OVER)

check: lint audit test ## What CI runs: lint, audit, then test

soak: $(INSTALLED) ## Run the long randomised and fault tests
	$(BIN)/python -m pytest -m soak

bench: $(INSTALLED) ## Measure search and serving into bench-results/
	$(BIN)/palate bench search --json bench-results/search.json
	$(BIN)/palate bench serve --json bench-results/serve.json

sql: $(INSTALLED) ## Print the retrieval statement as it is rendered
	@$(BIN)/python -m app.db.retrieval

lock: $(INSTALLED) ## Bring requirements.lock in line with pyproject.toml (UPGRADE=--upgrade for newer versions)
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(PIP) install uv
	echo torch | $(BIN)/python -m uv pip compile pyproject.toml requirements.in --extra dev --extra otel --excludes /dev/stdin \
		--universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet $(UPGRADE) --output-file requirements.lock

clean: ## Remove caches and results; .venv and .palate stay
	rm -rf build bench-results *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find app jobs migrations tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Palate needs Python 3.11 or newer. Install it, or name it: make $(or $(MAKECMDGOALS),install) PYTHON=/path/to/python3" >&2; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv || \
		{ echo "This Python makes no virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -c 'import sys, importlib.metadata as m; sys.exit(m.version("torch").split("+")[0] != "$(TORCH_VERSION)")' 2>/dev/null \
		|| $(PIP) install "torch==$(TORCH_VERSION)+cpu" \
		|| $(PIP) install --retries 1 --timeout 30 "torch==$(TORCH_VERSION)" --index-url $(TORCH_CPU_INDEX) \
		|| $(PIP) install "torch==$(TORCH_VERSION)" \
		|| $(PIP) install "torch>=2.6"
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@
