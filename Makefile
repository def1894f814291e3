# The front door. Every target sets up what it needs: only python3 with venv, and make, must be there.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
NODE_READY := tests/node/node_modules/.ready
ONCE ?=
ARGS ?=

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

demo: $(READY)  ## link an account through each partner and go on serving (ONCE=1 exits)
	$(VENV)/bin/tallystick demo $(if $(ONCE),--once) $(ARGS)

serve: $(READY)  ## run the gateway in sandbox mode
	$(VENV)/bin/tallystick serve $(ARGS)

test: $(READY) $(NODE_READY)  ## all tests (PostgreSQL, Chromium and Node where they are)
	$(PY) -m pytest -n 2 --dist loadgroup $(ARGS)

check: $(READY)  ## lint, types and the house rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pyright
	$(PY) -m pytest -q tests/test_tidy.py

fix: $(READY)  ## let ruff mend what it can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

sweep: $(READY)  ## the long form of the slow sweeps
	TALLYSTICK_TESTS_LONG=1 $(PY) -m pytest -q -m slow $(ARGS)

bench: $(READY)  ## measure, print ratios, write bench/latest.json
	$(PY) -m bench $(ARGS)

new-partner: $(READY)  ## start a partner's folder (NAME=akoya TITLE="Akoya")
	$(PY) templates/new_partner.py "$(NAME)" $(if $(TITLE),"$(TITLE)")

docs: $(READY)  ## regenerate the generated pages
	$(PY) -m tests.generate

.PHONY: help setup demo serve test check fix sweep bench new-partner docs
