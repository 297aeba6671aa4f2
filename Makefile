# make setup, make demo, make test: see README.md
.DELETE_ON_ERROR:
.PHONY: setup demo test lint coverage bench robustness lock

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Stages are many short processes: compiling the sources in each of them would take a second every time.
unexport PYTHONDONTWRITEBYTECODE
STUDY ?= demo
ARGS ?=

setup: $(READY)

# uv installs in seconds what takes pip minutes: it is fetched where it is not present, and pip is used without it.
# The lock is complete, and departs from what one package asks for (see pyproject.toml): nothing is resolved again.
$(READY): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@echo "Installing the pinned requirements into $(VENV) (about 6 GB with the CUDA libraries) ..."
	$(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null || python -m pip install -q --disable-pip-version-check uv || true
	@if command -v uv >/dev/null; then uv pip install -q --compile-bytecode --python $(VENV)/bin/python --no-deps --require-hashes -r requirements.txt; \
	else python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.txt; fi
	@touch $@

demo: setup
	snakemake --cores all $(ARGS)

# Each test module in one process, which takes one core: tests that time out or count cores do not meet others' threads.
test: setup
	OMP_NUM_THREADS=1 python -m pytest -n auto --maxprocesses 4 --dist loadfile --cov --cov-report=term --cov-fail-under=90 $(ARGS)

lint: setup
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules
	mypy

bench: setup
	PYTHONPATH=src python -m benchmarks --save

robustness: setup
	PYTHONPATH=src python -m robustness

# Pins every dependency with hashes and without naming a registry.
lock:
	uv pip compile pyproject.toml --extra dev --extra slurm --universal --python-version 3.11 --no-emit-index-url --no-annotate \
	  --generate-hashes -o requirements.txt
