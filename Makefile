# Every target makes the environment itself where it is missing. Only Python 3.11+ and make are needed.
#   make demo     a trained, evaluated, usable classifier in a few minutes
#   make test     all tests but the slow ones, with coverage
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo test test-e2e images check audit release badges docs reference screenshots format bench clean

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
# Bytecode is kept although an image may have said no: the tests start hundreds of processes that import the same modules.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

test: setup
	$(PYTEST) -m 'not e2e' --cov --cov-report=term --cov-report=json:build/coverage.json --cov-fail-under=90 --durations=20 \
		--junit-xml=build/tests.xml

test-e2e: setup
	$(PYTEST) --no-loadscope-reorder -m e2e --durations=15 --junit-xml=build/tests-e2e.xml

# Needs Docker, or buildah as root; IMAGE_BUILD may name a program that builds. Half an hour and 10 GB the first time.
images: setup
	COPYDESK_IMAGES=1 $(BIN)/python -m pytest -m e2e -s tests/e2e/test_images.py

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m release.portable
	$(BIN)/python -m release.audit --offline

# Asks a vulnerability service about every pinned version, too.
audit: setup
	$(BIN)/python -m release.audit

# Everything of a release but the upload; see docs/release.md.
release: setup
	$(BIN)/python -m release

# What ran before (make test test-e2e) and the checks of a model of the sample, as shields.io shows them.
badges: setup
	rm -rf build/score build/badges
	mkdir -p build/score
	$(BIN)/python -c 'from pathlib import Path; from copydesk.data.sample import write_sample; write_sample(Path("build/score/sample.csv"))'
	$(BIN)/copydesk train recipes/clickbait.yaml --data build/score/sample.csv --text text --label label \
		--set model.kind=linear --out build/score/bundle --quiet
	$(BIN)/copydesk check build/score/bundle --data build/score/sample.csv --report build/score/checks --quiet || true
	$(BIN)/python -m release.badges build/badges $(patsubst %,--junit %,$(wildcard build/tests*.xml)) \
		--coverage build/coverage.json --checks build/score/checks/checks.json \
		--version "$$($(BIN)/python -c 'import copydesk; print(copydesk.__version__)')"

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup
	$(BIN)/python docs/make_site.py
	@echo "site: build/site/index.html"

reference: setup
	$(BIN)/python docs/make_reference.py

screenshots: setup
	$(BIN)/python docs/screenshots.py

bench: setup
	$(BIN)/python bench/training.py

clean:
	rm -rf $(VENV) build dist .coverage .mypy_cache .pytest_cache .ruff_cache
