# Everything that can be done with this tree. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STATE := .shengdun
ECAPA_VENV := .venv-ecapa
PEERS_VENV := .venv-peers
export SHENGDUN_MODELS_DIR := $(CURDIR)/$(STATE)/models
ROOMS := fingerprint index enrollment service
SOURCES := $(ROOMS) benchmarks tests

.PHONY: help demo bench-accuracy bench-robustness .venv-peers test test-ecapa lint types proto lock check wheel clean

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

ifdef MODEL
# A directory of SpeechBrain's is converted first, which takes PyTorch.
demo: $(ECAPA_VENV)/.ecapa
	$(ECAPA_VENV)/bin/shengdun demo --model "$(MODEL)" --data-dir $(STATE)/demo
else
demo: $(VENV)/.runtime ## Enrol real voices, screen calls over a telephone codec, print every decision [MODEL=DIR]
	$(BIN)/shengdun demo --data-dir $(STATE)/demo
endif

# Some 6 GB: Resemblyzer runs on PyTorch.
$(PEERS_VENV)/.peers: requirements/peers.lock
	@test -x $(PEERS_VENV)/bin/python || $(PYTHON) -m venv $(PEERS_VENV)
	$(PEERS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/peers.lock
	@touch $@
.venv-peers: $(PEERS_VENV)/.peers

bench-accuracy: $(VENV)/.runtime $(if $(filter no,$(PEERS)),,$(PEERS_VENV)/.peers) ## Measure accuracy on CORPUS=DIR, beside peers (6 GB; PEERS=no leaves Resemblyzer out)
	@test -n "$(CORPUS)" || { echo "make bench-accuracy CORPUS=DIR [OPTIONS='--condition pcmu --only NAME'] [PEERS=no]" >&2; exit 2; }
	$(BIN)/shengdun models install --quiet
	$(BIN)/shengdun evaluate $(CORPUS) --output $(STATE)/accuracy --cache $(STATE)/voiceprints $(OPTIONS)
	$(BIN)/python -m benchmarks.accuracy.compare $(CORPUS) $(SHENGDUN_MODELS_DIR) $(STATE)/accuracy --cache $(STATE)/voiceprints \
	  $(if $(filter no,$(PEERS)),,--resemblyzer $(PEERS_VENV)/bin/python) $(OPTIONS)

bench-robustness: $(VENV)/.runtime ## Measure what telephone lines do to evidence: CORPUS=DIR, NOISE=DIR with noises and rooms
	@test -n "$(CORPUS)" -a -n "$(NOISE)" || { echo "make bench-robustness CORPUS=DIR NOISE=DIR [OPTIONS='--every 3']" >&2; exit 2; }
	$(BIN)/shengdun models install --quiet
	$(BIN)/python -m benchmarks.robustness.measure $(CORPUS) $(NOISE) $(SHENGDUN_MODELS_DIR) $(STATE)/robustness $(OPTIONS)

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
	uv pip compile -q requirements/peers.in --override requirements/peers.overrides --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -c requirements/ecapa.lock -o requirements/peers.lock
	echo hatchling | uv pip compile -q - --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -c requirements/dev.lock -o requirements/build.lock

wheel: $(VENV)/.dev ## Build the wheel into dist/
	rm -rf dist
	$(BIN)/python -m hatchling build -t wheel

check: lint types test ## Everything but the demo

clean: ## Remove the environment and everything that was fetched or stored
	rm -rf $(VENV) $(ECAPA_VENV) $(PEERS_VENV) $(STATE) dist
