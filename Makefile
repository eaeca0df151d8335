.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Where the running system is: every command reads this file, and so can you:  . .stack/env
ENV := $(or $(STACK_DIR),$(CURDIR)/.stack)/env
# Every shell has a USER of its own, which is not the one that is meant.
GIVEN_USER := $(filter command,$(origin USER))

.PHONY: help demo test coverage browser checkout chaos chaos-compose soak bench e2e-compose up down status token rotate compose-env lint publish lock audit sbom clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## watch one checkout complete, one roll back, and the first given back
	@$(BIN)/python -m stack demo

up: $(READY) ## start everything, or join what runs: TLS=1, REPLICAS=3, CLUSTER=3, STANDBY=1
	@$(if $(TLS),STACK_TLS=1) $(if $(REPLICAS),STACK_REPLICAS="$(REPLICAS)") $(if $(CLUSTER),STACK_CLUSTER="$(CLUSTER)") \
	    $(if $(STANDBY),STACK_STANDBY="$(STANDBY)") $(BIN)/python -m stack up

checkout: $(READY) ## charge, hold, pay on what runs, and watch: USER=7, SEATS=1, WITHDRAW=1 has it refused, REFUND=1 gives it back
	@$(BIN)/python -m stack checkout $(if $(GIVEN_USER),--user "$$USER") \
	    $(if $(SEATS),--seats "$$SEATS") $(if $(WITHDRAW),--withdraw) $(if $(REFUND),--refund)

down: ## stop everything
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m stack down; fi

status: $(READY) ## list the processes
	@$(BIN)/python -m stack status

token: $(READY) ## print a bearer token: USER=7, USER=7,8,9, SCOPE=operator
	@$(BIN)/python -m stack token $(if $(GIVEN_USER),"$$USER","") $(if $(SCOPE),--scope "$$SCOPE")

rotate: $(READY) ## new secrets for the system that runs, without an outage: KIND=tokens|database|broker|webhooks, WITHDRAW=1
	@$(BIN)/python -m stack rotate $(KIND) $(if $(WITHDRAW),--withdraw)

compose-env: $(READY) ## have every command use a running `docker compose up`
	@$(BIN)/python -m stack compose-env

# Four, because tests wait more than they compute; see tests/conftest.py for who gets which.
SHARED_OUT := --numprocesses 4 --dist loadscope --no-loadscope-reorder

test: $(READY) ## all tests, on a stack of their own
	@$(BIN)/python -m stack prepare
	$(BIN)/pytest $(SHARED_OUT)

coverage: $(READY) ## the same, and how much of the code they run, in the processes of the stack as well
	@$(BIN)/python -m stack prepare
	@rm -rf .stack/coverage && mkdir -p .stack/coverage
	$(BIN)/pytest $(SHARED_OUT) --cov --cov-report=term

browser: $(READY) ## the pages of the window in Chromium, by clicking
	@$(BIN)/python -m stack prepare
	$(BIN)/pytest tests/browser -m browser

chaos: $(READY) ## every script of chaos, and a table of what they found
	@$(BIN)/python -m stack prepare
	$(BIN)/pytest tests/chaos -m "chaos or not chaos"
	SIMULATION_SEEDS=7500 $(BIN)/pytest tests/simulation -m "chaos or not chaos"

chaos-compose: compose-env ## the scripts of chaos that break the broker, on a running `docker compose up`
	STACK_ENV="$(ENV)" $(BIN)/pytest tests/chaos/test_brokers.py -m "chaos or not chaos"

soak: $(READY) ## all faults at random for a while: MINUTES=60, SEED=1
	$(BIN)/python -m tests.chaos.soak --minutes $(or $(MINUTES),20) $(if $(SEED),--seed $(SEED))

bench: $(READY) ## measure the saga beside the facade, write docs/bench: QUICK=1, ONLY=saga,facade
	@$(BIN)/python -m tests.bench $(if $(QUICK),--quick) $(if $(ONLY),--only "$(ONLY)")

e2e-compose: compose-env ## the end-to-end tests, on a running `docker compose up`
	STACK_ENV="$(ENV)" $(BIN)/pytest tests/end_to_end

lint: $(READY) ## style, types, walls, docstrings, closed choreography, current files, no secrets
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python -m chassis check
	$(BIN)/python -m chassis publish --check
	$(BIN)/python -m stack publish --check
	$(BIN)/python -m tests.supply.leaks

publish: $(READY) ## write what is derived from the steps and from the list of services anew
	@$(BIN)/python -m chassis publish
	@$(BIN)/python -m stack publish

lock: ## resolve the dependencies of pyproject.toml anew
	@PATH="$(CURDIR)/$(BIN):$$PATH"; \
	compile=(uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --upgrade); \
	"$${compile[@]}" pyproject.toml --output-file requirements.lock && \
	"$${compile[@]}" pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock

audit: $(READY) ## ask for published advisories about the locked libraries
	@$(BIN)/python -m tests.supply.audit

sbom: $(READY) ## write the bill of materials of requirements.lock, in the form of CycloneDX
	@$(BIN)/python -m tests.supply.bill

clean: down ## stop everything and forget it, the virtual environment too
	rm -rf .stack $(VENV)

# Says what it does on stderr: the output of `make token` is tokens only.
$(READY): requirements-dev.lock
	@if ! $(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	        || { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3" >&2; exit 1; }; \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        echo "installing python3-venv with apt-get" >&2; \
	        { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv; } >/dev/null; \
	    else \
	        echo "python3-venv is missing; run:  sudo apt-get install -y python3-venv" >&2; exit 1; \
	    fi; \
	fi
	@echo "installing the libraries into $(VENV)" >&2
	@$(PYTHON) -m venv --clear $(VENV) >&2
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r $< >&2
	@touch $@
