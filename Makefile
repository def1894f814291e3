# The front door. Every target sets up what it needs: only python3 with venv, and make, must be there.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
NODE_READY := tests/node/node_modules/.ready
PRISM_READY := tests/node/prism/node_modules/.ready
ONCE ?=
ARGS ?=
ENGINE ?= sqlite
OPERATIONS ?= 10000
KILLS ?=
CUTS ?= 10000
SECONDS_OF_TROUBLE ?= 300
SUITES ?=
# Some images forbid Python to keep what it compiled; then each of our many processes, in tests and
# in the benchmarks, would compile everything before it began.
unexport PYTHONDONTWRITEBYTECODE

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements/dev.txt pyproject.toml
	test -x $(PY) || python3 -m venv $(VENV)
	$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(PY) -m pip install -q --disable-pip-version-check --no-deps -e .
	touch $@

# The official Node clients, for the journeys; without npm those tests are skipped and say so.
$(NODE_READY): tests/node/package.json tests/node/package-lock.json
	@if command -v npm >/dev/null; then \
	  npm ci --silent --prefix tests/node --no-fund --no-audit && touch $@; \
	else echo "npm is not here: the journeys of Node's clients will be skipped"; fi

setup: $(READY)  ## make the virtual environment

# Prism, which judges the SDK's requests; large, so not for every `make test`.
$(PRISM_READY): tests/node/prism/package.json tests/node/prism/package-lock.json
	npm ci --silent --prefix tests/node/prism --no-fund --no-audit && touch $@

demo: $(READY)  ## link an account through each partner and go on serving (ONCE=1 exits)
	$(VENV)/bin/tallystick demo $(if $(ONCE),--once) $(ARGS)

serve: $(READY)  ## run the gateway in sandbox mode
	$(VENV)/bin/tallystick serve $(ARGS)

test: $(READY) $(NODE_READY)  ## all tests but the sweeps (PostgreSQL, Chromium and Node where they are)
	$(PY) -m pytest -n 2 --dist loadgroup -m "not slow" $(ARGS)

check: $(READY)  ## lint, types and the house rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pyright
	$(VENV)/bin/ty check
	$(PY) -m pytest -q tests/test_tidy.py

fix: $(READY)  ## let ruff mend what it can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

sweep-short: $(READY)  ## the short form of the slow sweeps, as continuous integration runs it
	$(PY) -m pytest -n 2 --dist loadgroup -m slow $(ARGS)

sweep: $(READY)  ## the long form of the slow sweeps
	TALLYSTICK_TESTS_LONG=1 $(PY) -m pytest -q -m slow $(ARGS)

prism: $(READY) $(PRISM_READY)  ## hold the SDK's requests against Dwolla's OpenAPI document
	$(PY) -m pytest -q tests/test_sdk_prism.py $(ARGS)

storm: $(READY)  ## random operations under kill -9 (ENGINE=postgres OPERATIONS=10000 or KILLS=100 ARGS=--cluster)
	$(PY) -m tests.storm --engine $(ENGINE) $(if $(KILLS),--kills $(KILLS),--operations $(OPERATIONS)) $(ARGS)

power: $(READY)  ## power cuts, full and failing disks under SQLite (CUTS=10000 ARGS="--seed 2")
	$(PY) -m tests.power --cuts $(CUTS) $(ARGS)

replicas: $(READY)  ## partitions, restarts and failovers of several processes, as root (SECONDS_OF_TROUBLE=300)
	$(PY) -m tests.replicas --seconds $(SECONDS_OF_TROUBLE) $(ARGS)

bench: $(READY)  ## measure, print ratios, write bench/latest.json (SUITES="gateway" runs one)
	$(PY) -m bench $(SUITES)

growth: $(READY)  ## measure stores of growing size (SIZES="1000 100000"), write bench/latest.json
	$(PY) -m bench growth

soak: $(READY)  ## an hour at half load, drawn in docs/soak.svg (MINUTES=60)
	$(PY) -m bench soak

fuzz: $(READY)  ## strange requests by the hundred thousand, with their figures (ARGS="MUTANTS EXAMPLES")
	$(PY) -m tests.fuzzing $(ARGS)

SECURITY = tests/test_isolation.py tests/test_isolation_controls.py tests/test_canaries.py tests/test_forged_tokens.py tests/test_fuzz.py tests/test_schemathesis.py

evidence: $(READY)  ## isolation, secrets and the fuzzers' controls, long forms, with their figures
	TALLYSTICK_TESTS_LONG=1 $(PY) -m pytest -q -rP --timeout 7200 $(SECURITY) $(ARGS)

new-partner: $(READY)  ## start a partner's folder (NAME=akoya TITLE="Akoya")
	$(PY) templates/new_partner.py "$(NAME)" $(if $(TITLE),"$(TITLE)")

docs: $(READY)  ## regenerate the generated pages
	$(PY) -m tests.generate

.PHONY: help setup demo serve test check fix sweep sweep-short storm power replicas prism bench growth soak fuzz evidence new-partner docs
