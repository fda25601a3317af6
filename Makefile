# Everything is started from here; `make` alone lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
CLIENT := web/client
DIST := web/static/dist

# Stamps carry digests of what they depend on, so a warm start compares names and nothing else.
# The folder is in it because an environment that was moved has scripts that point to its old place.
# So are the compiled forwarder's sources, and whether this machine can compile them.
NEEDS := $(shell (echo $(CURDIR) $(wildcard /usr/include/openssl/evp.h) $$(command -v gcc); \
	cat pyproject.toml setup.py media/plane/build.py media/plane/native/*) | sha256sum | cut -c1-12)
LOCK := $(shell cat $(CLIENT)/package-lock.json 2>/dev/null | sha256sum | cut -c1-12)
SOURCES := $(shell find $(CLIENT) web/locale -name node_modules -prune -o -type f -print0 2>/dev/null | sort -z \
	| xargs -0r cat | sha256sum | cut -c1-12)

# Two processes, a file to one of them; the same seed, so that both collect the same tests. What measures time
# on the wire or drives browsers runs alone afterwards.
SPREAD := PYTHONHASHSEED=0 $(PY) -m pytest -n 2 --dist loadfile

RUN_STAMP := $(VENV)/stamp-run-$(NEEDS)
DEV_STAMP := $(VENV)/stamp-dev-$(NEEDS)
NODE_STAMP := $(CLIENT)/node_modules/.stamp-$(LOCK)
CLIENT_STAMP := $(DIST)/.stamp-$(SOURCES)

.PHONY: help run demo test test-long check bench bench-media build preflight client dev test-parts

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

run: build ## prepare and start everything on 127.0.0.1 with demonstration data
	@exec $(PY) -m consilium.cli serve --demo

demo: build ## play a whole consilium with synthetic participants and verify its package
	@exec $(PY) -m consilium.cli demo

build: preflight $(RUN_STAMP) client ## prepare without starting

test: dev client test-parts ## run all tests (long ones are in test-long)
	@$(SPREAD) -m "not long" --ignore tests/media --ignore tests/journeys
	@$(PY) -m pytest -m "not long" tests/media tests/journeys
	@npm --prefix $(CLIENT) test --if-present --silent

test-long: dev client test-parts ## run soak, fuzz and fault tests that take minutes
	@$(PY) -m pytest -m long --timeout 1800

check: dev $(NODE_STAMP) ## format, lint, strict types, import arrows, documents
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@npm --prefix $(CLIENT) run check --silent
	@$(PY) -m pytest -q tests/house

bench: dev client ## measure; every file of bench/ is one figure
	@for file in bench/[a-z]*.py; do $(PY) -m bench.$$(basename $$file .py); done

bench-media: dev client ## measure the media relay beside Janus (root, ten minutes; FULL=1 for more)
	@$(PY) -m bench.media

preflight:
	@$(PYTHON) -I consilium/preflight.py run

test-parts: dev
	@$(PYTHON) -I consilium/preflight.py tests
	@$(PY) -c 'import media.plane._fanout' 2>/dev/null || test ! -e /usr/include/openssl/evp.h \
		|| $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .

dev: preflight $(DEV_STAMP)

client: $(CLIENT_STAMP)

$(RUN_STAMP):
	@echo 'Ставятся пакеты Python в $(VENV), около минуты. Installing Python packages, about a minute.'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable .
	@rm -f $(VENV)/stamp-run-* && touch $@

$(DEV_STAMP):
	@echo 'Ставятся пакеты Python и инструменты в $(VENV). Installing Python packages and tools.'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@rm -f $(VENV)/stamp-* && touch $@ $(RUN_STAMP)

$(NODE_STAMP):
	@echo 'Ставятся пакеты клиента. Installing packages of the browser client.'
	@npm --prefix $(CLIENT) ci --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

$(CLIENT_STAMP): $(NODE_STAMP)
	@echo 'Собирается клиент. Building the browser client.'
	@npm --prefix $(CLIENT) run build --silent
	@mkdir -p $(DIST) && rm -f $(DIST)/.stamp-* && touch $@
