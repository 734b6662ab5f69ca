# Everything a developer or a user types; each target sets up what it needs in .venv.
PYTHON ?= python3
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# what a first look needs is installed by uv, in a quarter of pip's time; where uv can't be had, by pip
install = $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt $(1) 2>/dev/null || $(PIP) $(1)
export SPIKELOOP_DATA ?= $(abspath ../shared/data)
# hundreds of tests start a program: what Python compiled once is kept, whatever the shell says
SPHINX = $(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --doctree-dir docs/_build/doctrees
TESTS := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest
ARGS ?=
# of the bridges to the software of laboratories; one of it wants 3.12
BRIDGES_PYTHON ?= $(shell for each in $(HOME)/.pyenv/versions/3.12*/bin/python python3.12 python3.13 python3.14; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo $$each && break; done)
comma := ,

.PHONY: stream web demo-hardware test test-fast soak bench realism check audit sbom pictures docs bridges clean

stream: .venv/streams  ## stream the shipped retina until Ctrl-C; ARGS="--duration 10" passes options on
	@$(BIN)/spikeloop stream $(ARGS)

web: .venv/serves  ## stream the simulated motor cortex and open the page that shows and steers it, until Ctrl-C
	@$(BIN)/spikeloop web --open $(ARGS)

demo-hardware: .venv/speaks-mqtt  ## broker, stream, decoder, stimulator, arm and probe, with a live table, until Ctrl-C
	@$(BIN)/python examples/demo_hardware.py $(ARGS)

test: .venv/develops  ## every test
	$(TESTS) -n 6 --dist worksteal $(ARGS)

test-fast: .venv/develops  ## tests that need neither torch, nor sockets, nor other programs; within a minute
	$(TESTS) --fast -n 2 --dist worksteal $(ARGS)

soak: .venv/develops  ## an hour of real processes under faults; ARGS=--quick five minutes, ARGS="--days 6" simulated days
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.soak $(ARGS)

bench: .venv/develops  ## the benchmarks; figures are printed and kept in benchmarks/results
	$(BIN)/python -m benchmarks $(ARGS)

realism: .venv/develops  ## train every model, judge it beside the baselines, and write docs/realism.md; hours
	$(BIN)/python -m benchmarks.realism $(ARGS)

check: .venv/develops  ## the linters
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

audit: .venv-audit/installed  ## known faults of the packages that constraints.txt pins; says so where none could be looked up
	@.venv-audit/bin/python .ci/audit

sbom: .venv-audit/installed .venv/develops  ## what .venv holds, as CycloneDX, in dist/sbom.json
	@mkdir -p dist
	@.venv-audit/bin/cyclonedx-py environment .venv --pyproject pyproject.toml --output-file dist/sbom.json

bridges: .venv-bridges/installed  ## the vendors' own clients in .venv-bridges, for the tests of the bridges to them

pictures: .venv/develops  ## the pictures in README and docs; ARGS="raster loop" draws those
	$(BIN)/python docs/pictures $(ARGS)

docs: .venv/documents  ## the documentation site in docs/_build/html; without network, warnings are errors, examples are run
	$(SPHINX) -b html docs docs/_build/html
	$(SPHINX) -b doctest docs docs/_build/doctest

.venv/bare:
	@echo "setting up .venv, once; this takes a minute"
	@$(PYTHON) -m venv .venv
	-@$(PIP) uv
	@touch $@

.venv/streams: .venv/bare pyproject.toml constraints.txt
	@$(call install,-e '.[cpu]')
	@touch $@

.venv/serves: .venv/bare pyproject.toml constraints.txt  # in one go, as a minute is to be enough for a first game
	@$(call install,-e '.[cpu$(comma)web]')
	@touch .venv/streams $@

.venv/speaks-mqtt: .venv/streams
	@$(call install,-e '.[cpu$(comma)mqtt]' amqtt)
	@touch $@

.venv/develops: .venv/streams
	@echo "installing what development needs, PyTorch among it; this takes minutes"
	@$(PIP) -e '.[cpu,train,evaluate,monitor,mqtt,web,tests,checks]'
	@$(PIP) --no-deps falcon-challenge==1.0.2  # its sample decoders run without what the rest of it needs
	@touch $@

.venv/documents: .venv/streams
	@$(PIP) -e '.[cpu,web,docs]'
	@touch $@

.venv-bridges/installed: .venv/bare pyproject.toml constraints-bridges.txt
	@test -n "$(BRIDGES_PYTHON)" || { echo "no Python 3.12 or newer was found; set BRIDGES_PYTHON"; exit 1; }
	@$(BRIDGES_PYTHON) -m venv .venv-bridges
	@$(BIN)/uv pip install --quiet --python .venv-bridges/bin/python -c constraints-bridges.txt -e '.[cpu,bridges]' \
		|| .venv-bridges/bin/pip install --quiet -c constraints-bridges.txt -e '.[cpu,bridges]'
	@touch $@

.venv-audit/installed:
	@$(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/pip install --quiet --disable-pip-version-check "pip-audit>=2.9" "cyclonedx-bom>=7"
	@touch $@

clean:
	rm -rf .venv .venv-bridges .venv-audit dist docs/_build docs/reference/generated runs benchmarks/results
	rm -rf .pytest_cache .ruff_cache .hypothesis
