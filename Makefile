# Every target makes the environment itself where it is missing. Only Python 3.11+ and make are needed.
#   make demo     a trained, evaluated, usable classifier in a few minutes
#   make test     all tests but the slow ones, with coverage
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo test test-e2e images check format bench clean

setup: $(VENV)/.done

$(VENV)/.done: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Copydesk needs Python 3.11 or newer with venv (Debian: apt-get install python3-venv)."; exit 2; }
	@echo "Making $(VENV) (a few minutes the first time: torch and transformers are large) ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup
	$(BIN)/copydesk demo recipes/clickbait.yaml

# One process of tests on each core, at most four, each with one thread: several threads in each would wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

test: setup
	$(PYTEST) -m 'not e2e' --cov --cov-report=term --cov-fail-under=90 --durations=20

test-e2e: setup
	$(PYTEST) -m e2e --durations=15

# Needs Docker, or buildah as root; IMAGE_BUILD may name a program that builds. Half an hour and 10 GB the first time.
images: setup
	COPYDESK_IMAGES=1 $(BIN)/python -m pytest -m e2e -s tests/e2e/test_images.py

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python bench/training.py

clean:
	rm -rf $(VENV) build dist .coverage .mypy_cache .pytest_cache .ruff_cache
