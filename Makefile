.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help demo test test-deep test-fast lint check format bench docs lock serve clean

help:  ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/ready: requirements/dev.txt pyproject.toml
	@test -x $(BIN)/python || python3 -m venv $(VENV) || { rm -rf $(VENV); test "$$(id -u)" = 0 && \
	  echo "python3 cannot make virtual environments yet: installing python3-venv" >&2 && \
	  apt-get -qq update && apt-get -qq install -y python3-venv && python3 -m venv $(VENV); } || \
	  { rm -rf $(VENV); echo "Install what python3 -m venv needs; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: $(VENV)/ready  ## Run everything here and release two tarballs (ONCE=1: check them and exit)
	@$(BIN)/release-service demo $(if $(ONCE),--once)

test: $(VENV)/ready  ## All tests, on real components; prints the branch coverage
	@bash tests/run

test-fast: $(VENV)/ready  ## The tests that need nothing but Python: under 30 s
	@$(BIN)/pytest -q -n 2 -m "not real and not slow"

test-deep: $(VENV)/ready  ## Kill real processes at each effect, cut off their network, fill their disks: minutes
	@RANDOM_KILLS=20 $(BIN)/pytest -q -n 2 tests/e2e/test_killed.py
	@TWO_REPLICAS=200x40 $(BIN)/pytest -q -n 2 -m deep

lint: $(VENV)/ready  ## Style, types, and who may import whom
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint test  ## Lint and all tests: what CI runs

format: $(VENV)/ready  ## Let ruff format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/ready  ## Time a 100 MB publication against the floor of the same run
	@$(BIN)/python -m benchmarks

serve: $(VENV)/ready  ## Serve with the embedded default: SQLite and a directory below ./var
	@$(BIN)/release-service serve

docs: $(VENV)/ready  ## Write the pages of docs/ that come from the code
	@$(BIN)/python docs/generate.py

lock: $(VENV)/ready  ## Lock the dependencies anew, with hashes
	@cd requirements && for extra in client server dev; do \
	  case $$extra in client) extras=;; server) extras="--extra server";; dev) extras="--extra server --extra dev";; esac; \
	  ../$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
	    --custom-compile-command "make lock" $$extras -o $$extra.txt ../pyproject.toml; done
	@cd requirements && echo "uv" | ../$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	    --python-version 3.11 --custom-compile-command "make lock" -o uv.txt -

clean:  ## Remove what the build and the tests have made
	rm -rf $(VENV) .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist var
