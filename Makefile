# Prerequisites on bare Debian 12: python3 (3.11 or newer), python3-venv, make. No root, no compiler.
#
#   make demo      everything on this machine, twenty-four travellers; `make demo ARGS="--exit --json"` hands arguments on
#   make test      the checks and the whole test suite
#   make check     lint, format, types, architecture, spelling, words
#   make fuzz      a million executions of each fuzz target; CPython 3.11 to 3.13 (ARGS="cbor --runs 1000" for less)
#   make bench     measurements against the peers, side by side       (ARGS="face" picks one)
#   make languages screens and pages in every language, each with its checks and its picture in out/languages (needs Chromium)
#   make backlog   100,000 records written while the centre is dark, drained through a broker and a centre that die once each (needs mosquitto)
#   make sweeps    all of what the suite sweeps over in part           (as `make test`)
#   make faults    kills, power cuts, failing and full disks: a table of accepted, lost and doubled (needs strace, root)
#   make pictures  the README's pictures, from fictitious data        (needs Chromium)
#   make pcsc      the chip through pcscd, pulled at every command    (root; pcscd vsmartcard-vpcd libpcsclite-dev swig gcc python3-dev)
#   make train-mrz the recogniser of machine readable zones anew (needs torch and fonts-ocr-b)
#   make lock      the requirement locks anew                         (needs uv and a package index)
#   make clean     removes the environment, the cache and everything else that was built

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
ARGS ?=
export EGATE_CACHE ?= $(CURDIR)/.cache
PORTRAITS := $(EGATE_CACHE)/portraits
MODELS := $(EGATE_CACHE)/models
SOURCES := gate_agent drivers models central_sync emrtd
INSTALL := $(BIN)/python tools/install_locked.py
# pyscard has to be compiled: done where everything for that is there, done without elsewhere.
PCSC := $(shell $(PYTHON) tools/pyscard_needs.py > /dev/null 2>&1 && echo pcsc-environment)
# libosdp comes as a wheel for these machines; elsewhere it would have to be compiled.
OSDP := $(shell $(PYTHON) -c 'import platform, sys; sys.exit(platform.machine() not in ("x86_64", "aarch64"))' && echo osdp-environment)
# The peers that read machine readable zones are of no use without Debian's tesseract.
MRZ_PEER := $(shell command -v tesseract > /dev/null 2>&1 && echo mrz-peer)

.DEFAULT_GOAL := help
.PHONY: help demo test tests check fuzz bench languages backlog sweeps faults pictures pcsc train-mrz lock clean environment test-environment fuzz-environment pcsc-environment osdp-environment mrz-peer portraits models

help:
	@sed -n 's/^#   make/  make/p' Makefile

# ---- what people call -------------------------------------------------------------------------------------------------

demo: environment portraits models
	$(BIN)/egate demo $(ARGS)

test: check tests

tests: test-environment $(PCSC) $(OSDP) $(MRZ_PEER) portraits models
ifeq ($(ARGS),)
	$(BIN)/pytest -n 4 --dist worksteal --durations=10 tests/contract  # they wait for devices most of the time
	$(BIN)/pytest -n 3 --dist worksteal --durations=40 --ignore=tests/contract
else
	$(BIN)/pytest -n 2 --dist worksteal $(ARGS)
endif

check: test-environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell .
	$(BIN)/pytest -q tests/unit/test_words.py

fuzz: fuzz-environment
	$(BIN)/python -m tests.fuzz $(or $(ARGS),all)

bench: test-environment $(PCSC) $(MRZ_PEER) portraits models
	$(BIN)/egate bench $(ARGS)

# The suite walks through a few languages and looks at the rest; here all are walked through.
languages: test-environment
	mkdir -p out/languages
	EGATE_ALL_LANGUAGES=1 EGATE_SHOTS=$(CURDIR)/out/languages $(BIN)/pytest -n 2 --dist worksteal \
	  tests/browser/test_languages.py tests/browser/test_portal_pages.py tests/browser/test_console_and_screens.py $(ARGS)

# The suite drains a part of it. The disk decides: pytest's --basetemp says which one.
backlog: test-environment
	EGATE_SWEEPS=1 $(BIN)/pytest -n 0 -s tests/scenario/test_backlog.py $(ARGS)

# The suite takes a part of what these sweep over; here all of it.
sweeps: test-environment $(MRZ_PEER) portraits models
	EGATE_SWEEPS=1 $(BIN)/pytest -n 2 --dist worksteal --durations=10 $(or $(ARGS),\
	  tests/unit/test_mrz_reader.py tests/unit/test_mrz_bench.py tests/unit/test_transaction_machine.py tests/faults/test_kill_any_process.py)

# The suite takes a part of these, too.
faults: test-environment portraits models
	EGATE_SWEEPS=1 $(BIN)/pytest -n 2 --dist worksteal tests/faults $(ARGS)

pictures: test-environment
	$(BIN)/python tools/pictures.py docs/pictures

pcsc: test-environment pcsc-environment
	$(BIN)/pytest -n 0 tests/pcsc --every-pull $(ARGS)

# ---- the environment: each step leaves a stamp, so that a second run starts at once ------------------------------------

environment: $(STAMPS)/egate
test-environment: $(STAMPS)/egate $(STAMPS)/test
pcsc-environment: $(STAMPS)/pcsc
osdp-environment: $(STAMPS)/osdp
fuzz-environment: test-environment $(STAMPS)/fuzz
portraits: $(PORTRAITS)/.complete
models: $(MODELS)/.complete

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("eGate needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@echo "== Python environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

$(STAMPS)/build: requirements-build.lock tools/install_locked.py | $(BIN)/python
	@mkdir -p $(STAMPS)
	$(INSTALL) requirements-build.lock
	@touch $@

$(STAMPS)/run: requirements.lock $(STAMPS)/build
	$(INSTALL) requirements.lock
	@touch $@

$(STAMPS)/egate: pyproject.toml $(STAMPS)/run
	@echo "== eGate itself"
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/test: requirements-test.lock requirements-peer.lock requirements-store-peer.lock $(STAMPS)/run
	$(INSTALL) requirements-test.lock
	$(INSTALL) requirements-peer.lock --no-deps
	$(INSTALL) requirements-store-peer.lock --no-deps
	@touch $@

$(STAMPS)/pcsc: requirements-pcsc.lock $(STAMPS)/run
	@$(BIN)/python tools/pyscard_needs.py
	$(INSTALL) requirements-pcsc.lock --no-deps
	@touch $@

$(STAMPS)/osdp: requirements-osdp.lock $(STAMPS)/run
	$(INSTALL) requirements-osdp.lock --no-deps
	@touch $@

$(STAMPS)/fuzz: requirements-fuzz.lock $(STAMPS)/run
	$(INSTALL) requirements-fuzz.lock
	@touch $@

# The peers of `egate bench mrz` want other versions of what eGate uses: they get an environment of their own.
mrz-peer: $(VENV)/mrz-peer/.complete

$(VENV)/mrz-peer/.complete: requirements-mrz-peer.lock requirements-build.lock tools/install_locked.py | $(BIN)/python
	@$(PYTHON) -m venv $(VENV)/mrz-peer
	$(VENV)/mrz-peer/bin/python tools/install_locked.py requirements-build.lock
	$(VENV)/mrz-peer/bin/python tools/install_locked.py requirements-mrz-peer.lock --no-deps
	@touch $@

$(PORTRAITS)/.complete: tools/fetch_portraits.py requirements-peer.lock $(STAMPS)/build
	$(BIN)/python tools/fetch_portraits.py $(PORTRAITS)
	@touch $@

$(MODELS)/.complete: $(wildcard models/conversion/*.py models/manifests/*.toml) $(STAMPS)/egate
	@echo "== face models"
	$(BIN)/egate models build --models $(MODELS)
	@touch $@

FONTS := /usr/share/fonts

# The result goes to out/: whoever ships it compares it on `egate bench mrz` first, then moves it to models/weights with its digest.
train-mrz: test-environment
	@$(BIN)/python -c 'import torch' || { echo "torch is missing: $(BIN)/pip install torch"; exit 1; }
	$(BIN)/python -m models.training.train_mrz --steps 900 --out out/mrz-ctc-1.onnx --report out/mrz-ctc-1.training.toml \
	  --font $(FONTS)/opentype/ocr-b/OCRB.otf --weight 10 --font $(FONTS)/opentype/ocr-b/OCRBS.otf --weight 4 \
	  --font $(FONTS)/truetype/dejavu/DejaVuSansMono.ttf --weight 0.6

# ---- upkeep ------------------------------------------------------------------------------------------------------------

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

lock:
	$(COMPILE) --group build --output-file requirements-build.lock
	$(COMPILE) pyproject.toml --constraints requirements-build.lock --output-file requirements.lock
	$(COMPILE) pyproject.toml --group test --constraints requirements.lock --constraints requirements-build.lock --output-file requirements-test.lock
	$(COMPILE) --group fuzz --only-binary :all: --emit-build-options --output-file requirements-fuzz.lock
	printf 'face-recognition==1.3.0\n' | $(COMPILE) --no-deps - --output-file requirements-peer.lock
	printf 'thingsboard-gateway==3.8.5\n' | $(COMPILE) --no-deps - --output-file requirements-store-peer.lock
	printf 'pyscard==2.3.1\n' | $(COMPILE) --no-deps - --output-file requirements-pcsc.lock
	$(COMPILE) --no-deps requirements-osdp.in --output-file requirements-osdp.lock
	$(COMPILE) --no-deps requirements-mrz-peer.in --constraints requirements.lock --output-file requirements-mrz-peer.lock
	@! grep -nE '(https?|file)://' requirements*.lock || { echo "a lock names an index"; exit 1; }

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .pytest_cache out
	find $(SOURCES) tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
