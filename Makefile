# make setup, make demo, make test: see README.md
.DELETE_ON_ERROR:
.PHONY: setup demo test lint docs bench robustness lock

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# A workflow starts many short processes. Without bytecode files, each would spend a second on compiling the sources.
unexport PYTHONDONTWRITEBYTECODE
STUDY ?= demo
ARGS ?=

setup: $(READY)

# uv takes seconds where pip takes minutes. uv is installed if it is missing; if that fails, pip is used.
# The lock file is complete, so no dependencies are resolved again: it deliberately departs from one package's
# requirements (see pyproject.toml).
$(READY): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@echo "Installing the pinned requirements into $(VENV) (about 6 GB with the CUDA libraries) ..."
	$(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null || python -m pip install -q --disable-pip-version-check uv || true
	@if command -v uv >/dev/null; then uv pip install -q --compile-bytecode --python $(VENV)/bin/python --no-deps --require-hashes -r requirements.txt; \
	else python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.txt; fi
	@touch $@

# `make demo LOGGER=` shows all of Snakemake's own output.
LOGGER ?= --logger brief

demo: setup
	PYTHONPATH=src snakemake $(LOGGER) --cores all $(ARGS)

# Each test module runs in one process on one core, so that other threads do not disturb tests that measure time or
# cores. The longest modules start first (tests/conftest.py).
test: setup
	OMP_NUM_THREADS=1 python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules
	mypy

# The documentation as a site in build/site, in an environment of its own. Warnings are errors: links, anchors, docstrings.
docs: .venv-docs/.ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict
	@echo "Built build/site/index.html; with search: python -m http.server --directory build/site"

.venv-docs/.ready: docs/requirements.txt
	$(PYTHON) -m venv .venv-docs
	@if command -v uv >/dev/null; then uv pip install -q --python .venv-docs/bin/python --no-deps --require-hashes -r $<; \
	else .venv-docs/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r $<; fi
	@touch $@

bench: setup
	PYTHONPATH=src python -m benchmarks --save $(ARGS)

robustness: setup
	PYTHONPATH=src python -m tests.robustness $(ARGS)

# Pins every dependency with hashes; no registry is named.
lock:
	uv pip compile pyproject.toml $(addprefix --extra ,workflow encoders ants slurm dev) --universal --python-version 3.11 --no-emit-index-url --no-annotate \
	  --generate-hashes -o requirements.txt
	python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' \
	| uv pip compile - --universal --python-version 3.11 --no-emit-index-url --no-annotate --generate-hashes --no-header \
	  -o docs/requirements.txt
