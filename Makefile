# Everything that can be done with this tree. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STATE := .shengdun
ECAPA_VENV := .venv-ecapa
PEERS_VENV := .venv-peers
SHERPA_VENV := .venv-sherpa
TEXT_VENV := .venv-text
UNKNOWN_VENV := .venv-unknown
RAY_VENV := .venv-ray
BENCH := $(STATE)/bench
# What accuracy is measured in: the same on every machine. A server with a matrix unit computes in bfloat16.
PRECISION ?= float32
export SHENGDUN_MODELS_DIR := $(CURDIR)/$(STATE)/models
ROOMS := fingerprint index enrollment service
SOURCES := $(ROOMS) benchmarks tests

.PHONY: help demo bench bench-full bench-gate bench-accuracy bench-robustness bench-text bench-unknown .venv-peers .venv-text .venv-unknown test test-ecapa test-ray lint types proto lock check wheel clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# $(call environment,DIRECTORY,LOCKS[,OPTIONS]): an environment, made when it is missing, with what the lock files name.
define install
$(1)/bin/python -m pip install --quiet --disable-pip-version-check $(2)

endef
define environment
@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
$(foreach lock,$(2),$(call install,$(1),$(3) --require-hashes -r requirements/$(lock).lock))
endef
# $(call ourselves,DIRECTORY): this tree, in an environment that has what it needs.
ourselves = $(call install,$(1),--no-deps --no-build-isolation --editable .)

$(VENV)/.runtime: requirements/runtime.lock pyproject.toml
	$(call environment,$(VENV),build runtime)
	$(call ourselves,$(VENV))
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.runtime
	$(call environment,$(VENV),dev)
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
	$(call environment,$(PEERS_VENV),peers,--no-deps)
	@touch $@
.venv-peers: $(PEERS_VENV)/.peers

# Speakers of public corpora who have two names are joined, unless LABELS=as-they-are.
SAME = $(if $(filter as-they-are,$(LABELS)),,$$($(BIN)/python -m benchmarks.accuracy.one_person $(CORPUS)))
bench-accuracy: $(VENV)/.runtime $(if $(filter no,$(PEERS)),,$(PEERS_VENV)/.peers) ## Measure accuracy on CORPUS=DIR, beside peers (6 GB; PEERS=no leaves Resemblyzer out)
	@test -n "$(CORPUS)" || { echo "make bench-accuracy CORPUS=DIR [OPTIONS='--condition pcmu --only NAME'] [PEERS=no] [LABELS=as-they-are]" >&2; exit 2; }
	$(BIN)/shengdun models install --quiet
	SHENGDUN_VOICE__PRECISION=$(PRECISION) $(BIN)/shengdun evaluate $(CORPUS) --output $(STATE)/accuracy --cache $(STATE)/voiceprints $(SAME) $(OPTIONS)
	$(BIN)/python -m benchmarks.accuracy.compare $(CORPUS) $(SHENGDUN_MODELS_DIR) $(STATE)/accuracy --cache $(STATE)/voiceprints \
	  --precision $(PRECISION) $(if $(filter no,$(PEERS)),,--resemblyzer $(PEERS_VENV)/bin/python) $(SAME) $(OPTIONS)

bench-robustness: $(VENV)/.runtime ## Measure what telephone lines do to evidence: CORPUS=DIR, NOISE=DIR with noises and rooms
	@test -n "$(CORPUS)" -a -n "$(NOISE)" || { echo "make bench-robustness CORPUS=DIR NOISE=DIR [OPTIONS='--every 3']" >&2; exit 2; }
	$(BIN)/shengdun models install --quiet
	$(BIN)/python -m benchmarks.robustness.measure $(CORPUS) $(NOISE) $(SHENGDUN_MODELS_DIR) $(STATE)/robustness $(OPTIONS)

$(TEXT_VENV)/.text: requirements/text-peers.lock
	$(call environment,$(TEXT_VENV),text-peers)
	@touch $@
.venv-text: $(TEXT_VENV)/.text

bench-text: $(VENV)/.runtime $(TEXT_VENV)/.text ## Measure the recognition of scripts on texts of CORPUS=DIR, beside peers
	@test -n "$(CORPUS)" || { echo "make bench-text CORPUS=DIR [OPTIONS='--trials 50']" >&2; exit 2; }
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.text.run $(CORPUS) $(BENCH)/text --peers $(TEXT_VENV)/bin/python $(OPTIONS)

$(UNKNOWN_VENV)/.unknown: requirements/unknown-peers.lock
	$(call environment,$(UNKNOWN_VENV),unknown-peers)
	@touch $@
.venv-unknown: $(UNKNOWN_VENV)/.unknown

bench-unknown: $(VENV)/.runtime $(UNKNOWN_VENV)/.unknown ## Measure how agents nobody has enrolled are found on CORPUS=DIR, beside peers
	@test -n "$(CORPUS)" || { echo "make bench-unknown CORPUS=DIR [OPTIONS='--worlds 20'] [LABELS=as-they-are]" >&2; exit 2; }
	$(BIN)/shengdun models install --quiet
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.unknown.run $(CORPUS) $(SHENGDUN_MODELS_DIR) $(BENCH)/unknown --peers $(UNKNOWN_VENV)/bin/python $(SAME) $(OPTIONS)

# Of the network only where PyTorch is: STOCK=FILE.onnx names an export of benchmarks/network/stock_export.py.
bench: $(VENV)/.runtime ## Measure speed in ten minutes, as ratios: network [STOCK=FILE.onnx], voice activity, search, server
	$(BIN)/shengdun models install --quiet
	@mkdir -p $(BENCH)
	@$(if $(STOCK),,echo "The network beside a stock export is left out; it takes STOCK=FILE.onnx")
	$(if $(STOCK),$(BIN)/python -m benchmarks.network.measure $(STOCK) --repetitions 2 --rounds 20 > $(BENCH)/network.json)
	$(BIN)/python -m benchmarks.front_lane.measure --repetitions 1 > $(BENCH)/front_lane.json
	$(BIN)/python -m benchmarks.gate.measure --no-server
	$(BIN)/python -m benchmarks.serving.cpu_per_call $(SHENGDUN_MODELS_DIR) $(BENCH)/cpu_per_call.json --directory $(BENCH)/cpu --lengths 30 --calls 60 --repetitions 2 --listed 2000
	$(BIN)/python -m benchmarks.serving.throughput $(SHENGDUN_MODELS_DIR) $(BENCH)/throughput.json --directory $(BENCH)/lists --repetitions 1 --listed 2000
	@echo "Written to $(BENCH)"

bench-gate: $(VENV)/.runtime ## Fail where a ratio has become worse than benchmarks/gate/bounds.json allows
	$(BIN)/shengdun models install --quiet
	$(BIN)/python -m benchmarks.gate.measure

$(SHERPA_VENV)/.sherpa: requirements/sherpa.lock
	$(call environment,$(SHERPA_VENV),sherpa)
	@touch $@

# An ECAPA of random weights, as SpeechBrain has it and converted for us, and CAM++ as sherpa-onnx wants it.
$(BENCH)/.models: $(ECAPA_VENV)/.ecapa
	$(BIN)/shengdun models install --quiet
	@mkdir -p $(BENCH)/models
	ln -sfn $(SHENGDUN_MODELS_DIR)/* $(BENCH)/models/
	$(ECAPA_VENV)/bin/python -m benchmarks.serving.random_ecapa $(BENCH)/hub
	SHENGDUN_MODELS_DIR=$(BENCH)/models $(ECAPA_VENV)/bin/shengdun models convert $(BENCH)/hub
	$(ECAPA_VENV)/bin/python benchmarks/network/stock_export.py $(SHENGDUN_MODELS_DIR)/campplus-zh-en/campplus_cn_en_common.pt $(BENCH)/stock.onnx
	$(ECAPA_VENV)/bin/python benchmarks/network/stock_export.py $(SHENGDUN_MODELS_DIR)/campplus-zh-en/campplus_cn_en_common.pt $(BENCH)/stock-any.onnx --any-length --exporter torchscript
	$(BIN)/python -m benchmarks.serving.sherpa_model $(BENCH)/stock-any.onnx $(BENCH)/sherpa.onnx
	@touch $@

# The bare models' features are products of NumPy, which is to take one thread for them.
CALL_COST = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.serving.cpu_per_call \
  --stock $(BENCH)/stock-any.onnx $(SHENGDUN_MODELS_DIR)
BESIDE_PEERS = $(BIN)/python -m benchmarks.serving.throughput --directory $(BENCH)/lists --sherpa-model $(BENCH)/sherpa.onnx --hub $(BENCH)/hub \
  --speechbrain $(ECAPA_VENV)/bin/python --sherpa $(SHERPA_VENV)/bin/python $(BENCH)/models
bench-full: $(VENV)/.runtime $(SHERPA_VENV)/.sherpa $(BENCH)/.models ## Measure everything, beside peers (6 GB) and with half an hour of calls; three hours
	$(BIN)/python -m benchmarks.network.measure $(BENCH)/stock.onnx > $(BENCH)/network.json
	$(BIN)/python -m benchmarks.front_lane.measure > $(BENCH)/front_lane.json
	$(CALL_COST) $(BENCH)/cpu_per_call.json --directory $(BENCH)/cpu --lengths 30 --calls 120 --within-s 12
	$(CALL_COST) $(BENCH)/cpu_per_call_7s.json --directory $(BENCH)/cpu --lengths 7 --calls 120 --within-s 12
	$(CALL_COST) $(BENCH)/cost_over_length.json --directory $(BENCH)/cpu-lengths --lengths 5,10,20,30,45,60 --calls 12
	$(BESIDE_PEERS) $(BENCH)/throughput.json
	$(BESIDE_PEERS) $(BENCH)/throughput_30s.json --call-s 30 --rung-s 10 --rungs 7 --factor 1.35 \
	  --ours-from 3 --ecapa-from 0.8 --speechbrain-from 0.15 --sherpa-from 1
	$(BIN)/python -m benchmarks.serving.live_calls $(SHENGDUN_MODELS_DIR) $(BENCH)/live_calls.json --directory $(BENCH)/lists
	$(BIN)/python -m benchmarks.serving.live_calls $(SHENGDUN_MODELS_DIR) $(BENCH)/soak.json --directory $(BENCH)/lists --calls 100 --measured-s 1800 --repetitions 1
	$(if $(CORPUS),$(BIN)/python -m benchmarks.search.measure $(CORPUS) $(SHENGDUN_MODELS_DIR) $(BENCH)/search.json,@echo "Search on real voices is left out; it takes CORPUS=DIR")

test: $(VENV)/.dev ## Run the tests
	$(BIN)/shengdun models install --quiet
	$(BIN)/python -m pytest -q

# Some 6 GB: PyTorch and SpeechBrain, which nothing else here needs.
$(ECAPA_VENV)/.ecapa: requirements/ecapa.lock requirements/dev.lock pyproject.toml
	$(call environment,$(ECAPA_VENV),build ecapa dev)
	$(call ourselves,$(ECAPA_VENV))
	@touch $@

test-ecapa: $(ECAPA_VENV)/.ecapa ## Convert a SpeechBrain model in an environment of its own (6 GB), compare, screen with it
	$(ECAPA_VENV)/bin/shengdun models install --quiet
	$(ECAPA_VENV)/bin/python -m pytest -q --timeout 600 tests/ecapa

$(RAY_VENV)/.ray: requirements/ray.lock requirements/dev.lock pyproject.toml
	$(call environment,$(RAY_VENV),build ray dev)
	$(call ourselves,$(RAY_VENV))
	@touch $@

test-ray: $(RAY_VENV)/.ray ## Backfill over a Ray cluster of this machine, in an environment of its own (1 GB)
	$(RAY_VENV)/bin/shengdun models install --quiet
	$(RAY_VENV)/bin/python -m pytest -q tests/cluster

lint: $(VENV)/.dev ## Check style, the wire contract and that its stubs are current
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	cd proto && ../$(BIN)/buf lint

types: $(VENV)/.dev ## Check types
	$(BIN)/mypy $(SOURCES)

# Each stub that refuses says beside it why it may.
proto: $(VENV)/.dev ## Regenerate the stubs of the wire contract
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto --python_out=proto --mypy_out=quiet:proto \
	  $(wildcard proto/shengdun/v1/*.proto)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto --grpc_python_out=proto --mypy_grpc_out=quiet:proto \
	  $(shell grep -l '^service ' proto/shengdun/v1/*.proto)
	sed -i "s|^ *raise NotImplementedError('Method not implemented!')$$|&  # overridden: tests/service/test_servicers.py|" \
	  proto/shengdun/v1/*_pb2_grpc.py

lock: ## Renew the lock files
	uv pip compile -q pyproject.toml --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -o requirements/runtime.lock
	uv pip compile -q pyproject.toml --group dev --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -o requirements/dev.lock
	uv pip compile -q pyproject.toml --extra ecapa --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -c requirements/dev.lock -o requirements/ecapa.lock
	uv pip compile -q pyproject.toml --extra semantic --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -c requirements/dev.lock -o requirements/semantic.lock
	uv pip compile -q pyproject.toml --extra ray --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -c requirements/dev.lock -o requirements/ray.lock
	uv pip compile -q requirements/peers.in --override requirements/peers.overrides --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -c requirements/ecapa.lock -o requirements/peers.lock
	uv pip compile -q requirements/sherpa.in --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -c requirements/runtime.lock -o requirements/sherpa.lock
	uv pip compile -q requirements/text-peers.in --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -c requirements/runtime.lock -o requirements/text-peers.lock
	uv pip compile -q requirements/unknown-peers.in --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -c requirements/runtime.lock -o requirements/unknown-peers.lock
	echo hatchling | uv pip compile -q - --universal --generate-hashes --no-annotate --no-header --python-version 3.11 -c requirements/dev.lock -o requirements/build.lock

wheel: $(VENV)/.dev ## Build the wheel into dist/
	rm -rf dist
	$(BIN)/python -m hatchling build -t wheel

check: lint types test ## Everything but the demo

clean: ## Remove the environment and everything that was fetched or stored
	rm -rf $(VENV) $(ECAPA_VENV) $(PEERS_VENV) $(SHERPA_VENV) $(TEXT_VENV) $(UNKNOWN_VENV) $(RAY_VENV) $(STATE) dist
