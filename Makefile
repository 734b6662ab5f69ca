# Everything a developer or a user types; each target sets up what it needs in .venv.
PYTHON ?= python3
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
export SPIKELOOP_DATA ?= $(abspath ../shared/data)
ARGS ?=

.PHONY: stream demo-hardware test bench realism check picture clean

stream: .venv/streams  ## stream the shipped retina until Ctrl-C; ARGS="--duration 10" passes options on
	@$(BIN)/spikeloop stream $(ARGS)

demo-hardware: .venv/speaks-mqtt  ## broker, stream, decoder, stimulator, arm and probe, with a live table, until Ctrl-C
	@$(BIN)/python examples/demo_hardware.py $(ARGS)

test: .venv/develops  ## every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

bench: .venv/develops  ## the benchmarks; figures are printed and kept in benchmarks/results
	$(BIN)/python -m benchmarks $(ARGS)

realism: .venv/develops  ## train every model, judge it beside the baselines, and write docs/realism.md; hours
	$(BIN)/python -m benchmarks.realism $(ARGS)

check: .venv/develops  ## the linters
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

picture: .venv/develops  ## the pictures in the README: spikes recorded above streamed, ways to targets
	$(BIN)/python docs/raster.py
	$(BIN)/python docs/ways.py

.venv/bare:
	@echo "setting up .venv, once; this takes a minute"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/streams: .venv/bare pyproject.toml constraints.txt
	@$(PIP) -e '.[cpu]'
	@touch $@

.venv/speaks-mqtt: .venv/streams
	@$(PIP) -e '.[cpu,mqtt]' amqtt
	@touch $@

.venv/develops: .venv/streams
	@echo "installing what development needs, PyTorch among it; this takes minutes"
	@$(PIP) -e '.[cpu,train,evaluate,monitor,mqtt,tests,checks]'
	@touch $@

clean:
	rm -rf .venv dist runs benchmarks/results .pytest_cache .ruff_cache .hypothesis
