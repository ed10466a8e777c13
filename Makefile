# The targets install what they need: Python 3.11 or newer and make are enough.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
CONFIG ?=
ARGS   ?=

# The tests start the exporter as a program some hundred times. Without bytecode, each start would compile it again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check truth soak walks fuzz bench bench-pool lint types imports operator-models dashboards screenshots image-test chart dist lock clean

help:            ## Show this list
	@sed -n 's/^\([a-z-]*\): .*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

run: $(VENV)/.run            ## Serve the demo world, or CONFIG=maildns.yml, on port 10047
	$(BIN)/python -m exporter $(if $(CONFIG),--config.file=$(CONFIG),demo) $(ARGS)

# Half of the tests wait for servers and use no CPU, so there are two workers for each core.
test: lint types imports operator-models            ## Run every check and every test
	$(BIN)/pytest -q -n $$((2 * $$(nproc))) --dist worksteal $(ARGS)

check: lint types imports            ## Run the checks and the tests that need no server, with few examples for each property: less than a minute on two cores
	HYPOTHESIS_PROFILE=quick $(BIN)/pytest -q -n auto --dist worksteal -m "not integration and not slow" $(ARGS)

truth: $(VENV)/.dev            ## Find 200 known faults among 10,000 addresses with 20% noise, in simulated time
	$(BIN)/python -m tests.truth $(ARGS)

soak: $(VENV)/.dev            ## Run with 100,000 addresses, 40 scrapers, reloads and an outage for five minutes
	$(BIN)/python -m tests.soak $(ARGS)

walks: $(VENV)/.dev            ## Measure the time from a broken record to a page and back, in real time with the defaults (half an hour)
	$(BIN)/python -m tests.walks $(ARGS)

fuzz: $(VENV)/.dev            ## Test the DNS engine with 200,000 mutations of real packets
	$(BIN)/python -m tests.fuzz.engine --mutants 200000 $(ARGS)

bench: $(VENV)/.dev            ## Compare the DNS engine with other libraries
	$(BIN)/python -m tests.benchmarks.engine $(ARGS)

bench-pool: $(VENV)/.dev            ## Measure a pool of 458,752 addresses: loading, sweep, memory, scrapes
	$(BIN)/python -m tests.benchmarks.pool $(ARGS)

lint: $(VENV)/.dev            ## Check style and format, and find unused code
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/vulture

types: $(VENV)/.dev            ## Check types
	$(BIN)/mypy
	MYPYPATH=. $(BIN)/mypy --explicit-package-bases dashboards helm deploy

imports: $(VENV)/.dev            ## Check the import rules between packages
	$(BIN)/lint-imports

operator-models: build/operator-models/.installed            ## Install the Prometheus operator's types, which validate monitors and rules in a test

dashboards: $(VENV)/.dev            ## Regenerate the dashboards, rules and alerts
	$(BIN)/python -m dashboards.generator

screenshots: $(VENV)/.dev            ## Draw the dashboards from the demo's live data (needs prometheus, chromium, npm)
	$(BIN)/python -m dashboards.screenshots.take

image-test: $(VENV)/.dev            ## Build the image and run it (needs root, podman, runc, debootstrap, prometheus; or docker: ARGS)
	$(BIN)/python -m tests.image $(ARGS)

chart: $(VENV)/.dev            ## Complete the chart in this checkout: rules, dashboards, table of values, schema
	$(BIN)/python -m helm.build

dist: $(VENV)/.dev            ## Build a release into dist/: sdist, wheel, chart, bill of materials
	rm -rf dist
	$(BIN)/python -m deploy.release dist

lock:            ## Regenerate the locks from pyproject.toml (needs uv)
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	    --upgrade pyproject.toml -o requirements/run.lock
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	    --upgrade --group dev pyproject.toml -o requirements/dev.lock
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])' | \
	    uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	    --upgrade - -o requirements/build.lock
	echo cloudcoil-models-prometheus-operator | \
	    uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	    --upgrade - -o requirements/operator-models.lock

clean:            ## Remove the environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "the venv module is missing: apt install python3-venv" >&2; exit 1; }

$(VENV)/.run: requirements/run.lock | $(BIN)/python
	@echo "Installing the locked dependencies into $(VENV), once."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.lock
	@touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing the locked tools and dependencies into $(VENV), once for each lock."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.run

# A separate environment: cloudcoil installs plugins for pytest and mypy, which the tests must not load.
build/operator-models/.installed: requirements/operator-models.lock | $(BIN)/python
	rm -rf $(@D)
	$(BIN)/python -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/operator-models.lock \
	    && touch $@ || echo "the operator's models cannot be installed: their test is skipped, or fails if MAILDNS_REQUIRE_TOOLS is set" >&2
