# Everything that can be done with this tree. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STATE := .shengdun
ECAPA_VENV := .venv-ecapa
export SHENGDUN_MODELS_DIR := $(CURDIR)/$(STATE)/models
ROOMS := fingerprint index enrollment service
SOURCES := $(ROOMS) benchmarks tests

.PHONY: help demo bench-accuracy test test-ecapa lint types proto lock check wheel clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.runtime: requirements/runtime.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

demo: $(VENV)/.runtime ## Enrol real voices, screen calls over a telephone codec, print every decision
	$(BIN)/shengdun demo --data-dir $(STATE)/demo

bench-accuracy: $(VENV)/.runtime ## Measure accuracy on CORPUS=DIR, a folder of <speaker>/<recording> or with a MANIFEST.csv
	@test -n "$(CORPUS)" || { echo "make bench-accuracy CORPUS=DIR [OPTIONS='--condition pcmu --only NAME']" >&2; exit 2; }
	$(BIN)/shengdun models install --quiet
	$(BIN)/shengdun evaluate $(CORPUS) --output $(STATE)/accuracy --cache $(STATE)/voiceprints $(OPTIONS)

test: $(VENV)/.dev ## Run the tests
	$(BIN)/shengdun models install --quiet
	$(BIN)/python -m pytest -q

# Some 6 GB: PyTorch and SpeechBrain, which nothing else here needs.
$(ECAPA_VENV)/.ecapa: requirements/ecapa.lock requirements/dev.lock pyproject.toml
	@test -x $(ECAPA_VENV)/bin/python || $(PYTHON) -m venv $(ECAPA_VENV)
	$(ECAPA_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.lock
	$(ECAPA_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/ecapa.lock
	$(ECAPA_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(ECAPA_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

test-ecapa: $(ECAPA_VENV)/.ecapa ## Convert a SpeechBrain model in an environment of its own (6 GB), compare, screen with it
	$(ECAPA_VENV)/bin/shengdun models install --quiet
	$(ECAPA_VENV)/bin/python -m pytest -q tests/ecapa

lint: $(VENV)/.dev ## Check style, the wire contract and that its stubs are current
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	cd proto && ../$(BIN)/buf lint

types: $(VENV)/.dev ## Check types
	$(BIN)/mypy $(SOURCES)

proto: $(VENV)/.dev ## Regenerate the stubs of the wire contract
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto --python_out=proto --mypy_out=quiet:proto \
	  $(wildcard proto/shengdun/v1/*.proto)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto --grpc_python_out=proto --mypy_grpc_out=quiet:proto \
	  proto/shengdun/v1/screening.proto proto/shengdun/v1/watchlist.proto

lock: ## Renew the lock files
	uv pip compile -q pyproject.toml --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -o requirements/runtime.lock
	uv pip compile -q pyproject.toml --group dev --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -o requirements/dev.lock
	uv pip compile -q pyproject.toml --extra ecapa --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -c requirements/dev.lock -o requirements/ecapa.lock
	echo hatchling | uv pip compile -q - --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -c requirements/dev.lock -o requirements/build.lock

wheel: $(VENV)/.dev ## Build the wheel into dist/
	rm -rf dist
	$(BIN)/python -m hatchling build -t wheel

check: lint types test ## Everything but the demo

clean: ## Remove the environment and everything that was fetched or stored
	rm -rf $(VENV) $(ECAPA_VENV) $(STATE) dist
