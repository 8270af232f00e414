# Steno: `make run` shows it, `make test` checks it, `make help` says what else there is.

PYTHON ?= python3
PORT ?= 8765
VENV := .venv
BIN := $(VENV)/bin
CLIP := tests/data/librivox/sense_and_sensibility_01_austen_64kb-0870.flac

# What the tests need from Debian: sound without hardware, a voice that reads any word, a browser,
# a proxy, an MQTT broker, and systemd's programs that check units and hand over sockets (no service
# of any of them is started).
DEBIAN_PACKAGES := chromium espeak-ng haproxy libasound2-plugins libportaudio2 mosquitto pulseaudio \
    pulseaudio-utils systemd

.DEFAULT_GOAL := help
.PHONY: run test lint conformance bench install-service uninstall-service clean help

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## start the daemon, caption a recording, and serve until Ctrl-C
	@$(BIN)/python -m steno_clients.demo $(CLIP) --port $(PORT)

test: $(VENV)/.installed-dev packages lint ## lint, types, import rules, tests with coverage, conformance
	$(BIN)/pytest -rs --cov --cov-report=term:skip-covered
	$(BIN)/python -m tests.conformance

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

conformance: $(VENV)/.installed-dev ## let published clients of other servers transcribe a clip
	$(BIN)/python -m tests.conformance

bench: $(VENV)/.installed ## measure speed and latency on this machine
	$(BIN)/steno-models bench

# Both take PREFIX=/opt/steno, DESTDIR=, PYTHON=python3 and PIP_FLAGS=; see systemd/install.sh.
install-service: ## (as root) install the daemon as a service of systemd
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' PYTHON='$(PYTHON)' PIP_FLAGS='$(PIP_FLAGS)' \
	    sh systemd/install.sh

uninstall-service: ## (as root) take away what install-service installed
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' sh systemd/uninstall.sh

clean: ## remove what was built, the virtual environment too
	rm -rf $(VENV) dist .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find daemon clients models tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet -c constraints.txt -e '.[daemon,microphone]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	    "expected Python 3.11 or later, found " + sys.version.split()[0] + "; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

.PHONY: packages
packages: # of the system; goes on without them
	@missing=; for name in $(DEBIAN_PACKAGES); do \
	    case $$(dpkg-query -W -f '$${db:Status-Status}' $$name 2>/dev/null) in \
	        installed) ;; *) missing="$$missing $$name" ;; esac; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	        apt-get install -y -qq --no-install-recommends $$missing && exit 0; \
	fi; \
	echo "some tests will be skipped; to run them too: sudo apt-get install$$missing"
