# `make` lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup setup-system demo test check format lint types messages catalogue lock bench ssh-truth screenshots clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with the locked dependencies and secscan itself

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "secscan needs Python 3.11 or newer; name one: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python has no venv here: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup-system: ## install the system packages that tests and the demo can use (Debian, Ubuntu; needs root)
	sh tools/setup-system

demo: setup ## start a lab of real servers, scan it, write scorecards into demo/
	$(BIN)/python tools/demo.py demo

test: setup ## run the tests
	$(BIN)/python -m pytest

check: setup lint types generated test ## all that CI holds the code to

format: setup ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix --quiet .

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

.PHONY: generated
generated: setup
	$(BIN)/python tools/messages.py --check
	$(BIN)/python tools/catalogue.py --check
	$(BIN)/python -m tools.zoo --check

messages: setup ## write reports/locale/secscan.pot again from the sources, bring the catalogues up to it, compile them
	$(BIN)/python tools/messages.py

catalogue: setup ## write docs/checks.md again from the checks
	$(BIN)/python tools/catalogue.py

bench: setup ## measure; figures go to standard output
	$(BIN)/python -m bench.startup
	$(BIN)/python -m bench.scan
	$(BIN)/python -m bench.ssh_surface

ssh-truth: setup ## write docs/ssh-truth.md again from the lab's SSH servers and ssh-audit
	$(BIN)/python -m tools.ssh_truth

.PHONY: fuzz
fuzz: setup ## a million hostile inputs each for the readers of TLS's wire format and of certificates
	$(BIN)/python -m tests.fuzz.tls_wire -runs=1000000
	$(BIN)/python -m tests.fuzz.certificates -runs=1000000

.PHONY: zoo
zoo: setup ## ask secscan, sslyze and sslscan about every TLS server of the tests, and write docs/tls-truth.md
	tools/old-nodes
	$(BIN)/python -m tools.zoo

screenshots: demo ## take the pictures of README.md (needs chromium)
	$(BIN)/python tools/screenshots.py

lock: ## pin the newest dependencies that fit pyproject.toml, with hashes (needs uv)
	sh tools/lock

clean: ## remove what make made
	rm -rf $(VENV) build dist demo .mypy_cache .ruff_cache .pytest_cache .hypothesis src/*.egg-info
