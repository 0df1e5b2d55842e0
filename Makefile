# Everything a checkout needs is set up on the way: `make demo` and `make test` work on a machine that has
# git, make and Python 3.11 or later, and nothing else.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --disable-pip-version-check --no-deps
INSTALL := $(PIP) --require-hashes -r
# The console script `countersign`, which runs this checkout. hatchling, which makes it, is in the locks.
SCRIPT := $(PIP) --quiet --no-build-isolation --no-index --editable .

# Without bytecode in the caches every process compiles what it imports again.
unexport PYTHONDONTWRITEBYTECODE

# A stamp bears the checksum of its lock: a changed lock is installed, an unchanged one costs nothing.
checksum = $(firstword $(shell cksum < $(1)))
RUNTIME := $(VENV)/.installed-$(call checksum,requirements.lock)
DEV := $(VENV)/.installed-$(call checksum,requirements-dev.lock)
DOCS := $(VENV)/.installed-$(call checksum,requirements-docs.lock)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: record-histories help demo up example sandbox worker webhooks api test test-thorough test-heavy test-all chaos screenshots recordings debian-tools check format clean schemas docs reference pin-images

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUNTIME) ## one agreement, generated, sent, signed and archived before your eyes; leaves nothing running
	@$(VENV)/bin/countersign demo $(if $(ACCOUNT),--account $(ACCOUNT))

up: $(RUNTIME) ## Temporal with its UI, the sandbox, the receiver, the HTTP API and a worker, until Ctrl-C
	@$(if $(EXAMPLE),. examples/$(EXAMPLE)/env && COUNTERSIGN_WEBHOOKS_ROUTES=examples/$(EXAMPLE)/routes.toml) \
		$(VENV)/bin/countersign up $(if $(ACCOUNT),--account $(ACCOUNT))

STACK := .countersign/local/env
example: $(RUNTIME) ## an order of examples/order_to_cash, beside `make up EXAMPLE=order_to_cash`, until it is paid
	@[ -e $(STACK) ] || { echo "Start the stack first, in another terminal: make up EXAMPLE=order_to_cash" >&2; exit 1; }
	@. ./$(STACK); cd examples/order_to_cash; . ./env; \
		python stand_in.py 8400 "$$RECEIVER_URL" & stand_in=$$!; python worker.py & worker=$$!; \
		trap "kill $$stand_in $$worker; wait" EXIT; python starter.py "$${ORDER:-$$(date +%s)}"

sandbox: $(RUNTIME) ## one sandbox alone: TurboDocx's, or Documenso's with PROVIDER=documenso
	@$(RUN) -m sandbox $(PROVIDER)

worker: $(RUNTIME) ## a worker, set up by .env and the environment
	@$(RUN) worker.py

webhooks: $(RUNTIME) ## the webhook receiver, set up by .env and the environment
	@$(RUN) receiver.py

api: $(RUNTIME) ## the HTTP API, set up by .env and the environment
	@$(RUN) api.py

test: $(DEV) ## the tests, on real parts: about three minutes on two free cores
	@$(RUN) -m pytest -m "not thorough and not heavy" -n 3 --dist loadfile

test-thorough: $(DEV) $(DOCS) ## the thorough ones: whole command lines, every fault, both providers: about five minutes
	@$(RUN) -m pytest -m "thorough and not heavy" -n 3 --dist loadfile

record-histories: $(DEV) ## record tests/histories anew, after a change that old histories need not survive
	@$(RUN) -m pytest -q tests/workflows/test_workflows_histories.py -k every_branch_replays --record-histories

test-heavy: $(DEV) debian-tools ## the heavy ones: browsers, Prometheus, PostgreSQL, chaos, many repetitions
	@$(RUN) -m pytest -m heavy -n 3 --dist loadfile

test-all: test test-thorough test-heavy ## every test

chaos: $(DEV) ## 500 agreements of both accounts while parts are killed and calls fail, checked by seven rules: 12 minutes
	@$(RUN) -m tests.chaos.chaos_run $(ARGS)

screenshots: $(DEV) debian-tools ## the docs' pictures of Temporal's UI and of the terminal, taken by the tests that look at them
	@COUNTERSIGN_SCREENSHOTS=docs/images $(RUN) -m pytest -m heavy tests/ui tests/cli/test_cli_pictures.py

recordings: $(DEV) ## the docs' recorded sessions at the terminal, as SVG, of the tests that record them
	@COUNTERSIGN_SCREENSHOTS=docs/images $(RUN) -m pytest -m heavy tests/cli/test_cli_recordings.py

check: $(DEV) ## format, lint and types
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy
	@cd examples/order_to_cash && MYPYPATH=../.. ../../$(RUN) -m mypy --config-file= --strict --explicit-package-bases .

schemas: $(RUNTIME) ## write the JSON Schemas in docs/schemas anew
	@$(VENV)/bin/countersign schemas docs/schemas

reference: $(RUNTIME) ## write .env.example and the generated pages of docs/reference from the code
	@$(RUN) -m countersign.settings_reference
	@$(RUN) -m countersign.provider_reference
	@$(RUN) -m cli.reference
	@$(RUN) -m countersign.api.reference

pin-images: $(RUN) ## write the current digests of the images into Dockerfile and Compose files
	@$(RUN) deploy/pin_images.py

docs: $(RUNTIME) $(DOCS) ## build the documentation into site/; a broken link fails it
	@NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

format: $(DEV) ## format the code, and mend what the linter can
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

LOCK := .countersign/local/lock
clean: ## remove caches and local state, but not the virtual environment
	@[ ! -e $(LOCK) ] || $(PYTHON) -c 'import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)' \
		$(LOCK) 2> /dev/null || { echo "A local stack is running: stop it first, with Ctrl-C." >&2; exit 1; }
	@rm -rf .countersign site .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	@find . -name __pycache__ -not -path './$(VENV)/*' -exec rm -rf {} +

# What the heavy tests need and Python's packages do not hold, as command:package of Debian.
DEBIAN := chromium:chromium prometheus:prometheus pg_ctlcluster:postgresql nc:netcat-openbsd nginx:nginx-light \
	caddy:caddy npm:npm wget:wget curl:curl node:nodejs kubectl:kubernetes-client systemd-analyze:systemd
debian-tools:
	@missing=; for each in $(DEBIAN); do \
		command -v "$${each%:*}" > /dev/null || missing="$$missing $${each#*:}"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	echo "These are needed: apt-get install --no-install-recommends$$missing"; \
	[ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null || exit 1; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		apt-get install -qq -y --no-install-recommends $$missing > /dev/null

$(RUN):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or later is needed, and $(PYTHON) is not: name one with 'make PYTHON=python3.12 ...'" >&2; \
		exit 1; }
	@echo "Making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) cannot make virtual environments: install its venv module ('apt install python3-venv')" >&2; \
		exit 1; }

$(RUNTIME): | $(RUN)
	@echo "Installing what Countersign needs: $$(grep -c == requirements.lock) packages"
	@$(INSTALL) requirements.lock
	@$(SCRIPT)
	@touch $@

# The development lock holds the other one, package by package, so both stamps are earned.
$(DEV): | $(RUN)
	@echo "Installing what Countersign and its tests need: $$(grep -c == requirements-dev.lock) packages"
	@$(INSTALL) requirements-dev.lock
	@$(SCRIPT)
	@touch $@ $(RUNTIME)

$(DOCS): | $(RUN)
	@echo "Installing what the documentation needs: $$(grep -c == requirements-docs.lock) packages"
	@$(INSTALL) requirements-docs.lock
	@touch $@
