# Lantern's commands. `make demo` and `make test` set everything up by themselves.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
STUDY ?=
WORKERS ?= 2
VIEWER := .cache/viewer
DATA ?=

.PHONY: help setup setup-test demo test lint check format walk real torture bench proof eval viewer viewer-if-npm viewer-shots clean

help:
	@echo "make demo [STUDY=DIR]  the main job from end to end, on a synthetic study or your own series"
	@echo "make test              set up and run all tests"
	@echo "make check             formatting, lint, types, import contracts, unit tests"
	@echo "make torture           kill -9 every process at random moments, 30 rounds"
	@echo "make viewer            OHIF and what steers Chromium, into $(VIEWER): the tests look at results through it"
	@echo "make viewer-shots      the pictures of README: results in OHIF, as a radiologist sees them"
	@echo "make real              all real series of $$LANTERN_SHARED_DATA through a node"
	@echo "make eval [DATA=DIR]   how good both pipelines are on phantoms, or srs on your own scans with truth"
	@echo "make bench             timings, as ratios against DCMTK in the same run"
	@echo "make proof             500 random geometries encoded, decoded by other code, and compared in the patient"

$(VENV)/.base: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "Lantern needs Python 3.11 (pyradiomics builds on no later one): make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "python3.11 has no venv module: apt install python3.11-venv"; exit 1; }
	@command -v cc >/dev/null && test -e "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" || \
	  { echo "pyradiomics is compiled here: apt install gcc python3.11-dev"; exit 1; }
	@echo "installing (once; a few minutes)"
	$(PIP) install -c constraints.txt "numpy>=2.1" setuptools wheel
	$(PIP) install -c constraints.txt torch==2.13.0
	# pyradiomics has no wheel: it is built with the numpy that is already there.
	$(PIP) install -c constraints.txt --no-build-isolation pyradiomics==3.0.1
	$(PIP) install -c constraints.txt --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(VENV)/.base
	$(PIP) install -c constraints.txt --no-build-isolation -e ".[test,postgres,ray]"
	@touch $@

setup: $(VENV)/.base

setup-test: setup $(VENV)/.test

demo: setup
	$(BIN)/lantern demo --out demo-out $(if $(STUDY),--study "$(STUDY)")

$(VIEWER)/.done: tests/viewer/package.json tests/viewer/package-lock.json
	@command -v npm >/dev/null || { echo "the viewer is fetched by npm: apt install nodejs npm"; exit 1; }
	@mkdir -p $(VIEWER)
	cp tests/viewer/package.json tests/viewer/package-lock.json $(VIEWER)/
	npm ci --prefix $(VIEWER) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

viewer: $(VIEWER)/.done

# Tests that need it skip without it, but for CI=true.
viewer-if-npm:
	@if command -v npm >/dev/null; then $(MAKE) -s viewer || echo "no viewer: tests that look through it are skipped"; fi

viewer-shots: setup-test viewer
	$(BIN)/python -m tests.viewer

test: setup-test viewer-if-npm
	# A file stays with one process, for what its tests share; the long ones come first. One thread of arithmetic each.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder tests

lint: setup-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	$(BIN)/python -m pytest -q tests/unit

format: setup-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

walk: setup-test
	$(BIN)/python -m pytest tests/e2e

torture: setup-test
	LANTERN_TORTURE_ROUNDS=30 LANTERN_TORTURE_STUDIES=20 $(BIN)/python -m pytest -s --timeout 7200 tests/e2e/test_torture.py

eval: setup
	$(BIN)/python -m pipeline.evaluation srs --out evaluation-out $(if $(DATA),--data "$(DATA)")
	$(if $(DATA),,$(BIN)/python -m pipeline.evaluation mammography --made-up 8 --out evaluation-out/mammography)

bench: setup-test
	$(BIN)/python -m tests.bench

proof: setup-test
	OMP_NUM_THREADS=1 WORKERS=$(WORKERS) $(BIN)/python -m tests.proof

clean:
	rm -rf $(VENV) build *.egg-info demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

real: setup-test
	LANTERN_REAL_SERIES=16 $(BIN)/python -m pytest -s tests/e2e/test_real_series.py
