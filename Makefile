# Everything is made and kept below .lookbook; delete it and you have a fresh machine (`make stop` first).
SHELL := /bin/sh
HOME_FOLDER := .lookbook
VENV := $(HOME_FOLDER)/venv/bin/python
COVERAGE := $(CURDIR)/$(HOME_FOLDER)/coverage

# The first Python on the path that is new enough, or name one: make PYTHON=/usr/bin/python3.12 setup
PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11; do \
	"$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$each" && break; done)

.PHONY: help setup demo stop status test evaluate faults benchmark lock

help:
	@echo "make demo     set up, start the servers, make the sample catalog's pictures"
	@echo "make status   what runs, and where"
	@echo "make stop     end every server"
	@echo "make test     set up, then lint, types, unit tests and one end-to-end run on servers of its own"
	@echo "make evaluate plant defects into the starter's pictures and see which score catches what"
	@echo "make faults    kill parts and break the storage, 50 rounds (hours); ARGS='--rounds 10 --airflow 0' for fewer"
	@echo "make benchmark   measure everything (hours), or ONLY=stores; see docs/measured.md"
	@echo "make setup    only install (.lookbook/venv)"
	@echo "make lock     pin the dependencies of pyproject.toml again"
	@echo "$(HOME_FOLDER)/venv/bin/lookbook import FOLDER | airflow ... | open | bundle ... | --help"

setup:
	@test -n "$(PYTHON)" || { echo "set-up: no Python 3.11 or newer found (on Debian: apt install python3 python3-venv)"; exit 1; }
	@$(PYTHON) -m embedded.installation

demo: setup
	@$(VENV) -m embedded demo

stop status:
	@if [ -x $(VENV) ]; then $(VENV) -m embedded $@; else echo "Nothing runs: nothing is installed."; fi || true

# Temporary files of tests stay inside too; OpenMP with more threads than cores makes small models slower.
test: setup
	@mkdir -p $(HOME_FOLDER)/tmp
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy .
	COVERAGE_FILE="$(COVERAGE)" TMPDIR="$(CURDIR)/$(HOME_FOLDER)/tmp" $(VENV) -m pytest --cov --cov-report=
	@for each in brief generation service storage pipeline plugins; do \
		echo "$$each: $$(COVERAGE_FILE="$(COVERAGE)" $(VENV) -m coverage report --include "$$each/*" --format=total) % of lines are run"; \
		COVERAGE_FILE="$(COVERAGE)" $(VENV) -m coverage report --include "$$each/*" --fail-under=90 >$(HOME_FOLDER)/tmp/report \
			|| { cat $(HOME_FOLDER)/tmp/report; exit 1; }; done

evaluate: setup
	$(VENV) -m benchmarks evaluate

faults: setup
	@$(VENV) -m benchmarks faults $(ARGS)

benchmark: setup
	@for each in $(or $(ONLY),gallery importing stores services orchestration scale); do $(VENV) -m benchmarks $$each || exit 1; done

lock: setup
	@$(PYTHON) -m embedded.installation lock
