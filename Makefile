# make run: environment, then the demo. make test: environment, then every test that needs no other server.
# Works with GNU make 3.81 (macOS) and later. PYTHON=/path/to/python3 picks another Python.

SHELL := /bin/sh
CONFIG ?= config/demo.yaml
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --require-virtualenv install --quiet
ROOMS := conche plant_model opcua_server gateway
# Colleagues of the product in the integration tests: what brings each, by the command that shows it is there.
NODE_LOCK := $(wildcard tests/integration/node/package-lock.json)

.PHONY: run test check integration peers faults fuzz bench validate lock secrets clean help
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

run: .venv/.runtime ## the whole demo: broker, plant, gateway, page (CONFIG=config/demo.yaml)
	@exec .venv/bin/conche run $(CONFIG)

test: .venv/.test ## all tests that need no other server
	@exec $(PY) -m pytest -n logical --dist loadgroup --ignore=tests/integration --ignore=tests/bench --ignore=tests/faults --ignore=tests/fuzz $(ARGS)

check: .venv/.test ## lint, format, types, architecture
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -m pytest -q tests/test_architecture.py

integration: .venv/.test peers $(if $(NODE_LOCK),tests/integration/node/node_modules/.package-lock.json) ## tests with real brokers, databases, a browser
	@exec $(PY) -m pytest tests/integration tests/faults tests/fuzz $(ARGS)

faults: .venv/.test peers tests/integration/node/node_modules/.package-lock.json ## what is lost when links, servers, brokers, the gateway fail
	@PYTHONPATH=.:tests exec $(PY) -m faults.main $(ARGS)

fuzz: .venv/.test ## spoilt notifications against the decoder for a minute (ARGS="--seconds 3600")
	@PYTHONPATH=.:tests exec $(PY) -m fuzz.main $(ARGS)

peers:
	@.ci/peers

validate: .venv/.test ## the plant against theory (SEED=7 for those who doubt)
	@exec $(PY) tests/validation/validate.py $(if $(SEED),--seed $(SEED))

bench: .venv/.test ## cost per value, and of a simulated week (ARGS=plant for that alone)
	@exec $(PY) tests/bench/bench.py $(ARGS)

lock: build/uv/bin/uv ## new requirements/*.txt from requirements/*.in
	@build/uv/bin/uv pip compile $(LOCK) --output-file requirements/runtime.txt requirements/runtime.in
	@build/uv/bin/uv pip compile $(LOCK) --output-file requirements/test.txt requirements/test.in

LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links

secrets: .env ## .env for docker compose, with fresh passwords

clean: ## remove environment, caches and build output; var/ (the plant's life) stays
	@rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/integration/node/node_modules
	@find $(ROOMS) tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@python=$$(PYTHON="$(PYTHON)" requirements/python.sh) && echo "Making the environment with $$python" && "$$python" -m venv --clear .venv

# Everything that is installed is locked with hashes; the project itself builds with the locked setuptools, offline.
.venv/.runtime: .venv/bin/python requirements/runtime.txt pyproject.toml
	@echo "Installing what the product needs (once)"
	@$(PIP) --no-deps --require-hashes --only-binary :all: -r requirements/runtime.txt
	@$(PIP) --no-deps --no-index --no-build-isolation --editable .
	@touch $@

.venv/.test: .venv/.runtime requirements/test.txt
	@echo "Installing what the tests need (once)"
	@$(PIP) --no-deps --require-hashes --only-binary :all: -r requirements/test.txt
	@touch $@

build/uv/bin/uv: .venv/bin/python
	@$(PY) -m venv build/uv
	@build/uv/bin/python -m pip --disable-pip-version-check install --quiet uv

tests/integration/node/node_modules/.package-lock.json: $(NODE_LOCK) | peers
	@command -v npm >/dev/null || { echo "conche: npm is missing: install Node.js (Debian, Ubuntu: apt install nodejs npm)" >&2; exit 1; }
	@cd tests/integration/node && npm ci --no-audit --no-fund --silent

.env: .env.example
	@if [ -e .env ]; then echo ".env is older than .env.example: compare them, then touch .env"; exit 1; fi
	@config/compose/secrets.sh .env.example > .env.new && chmod 600 .env.new && mv .env.new .env && echo "Wrote .env"
