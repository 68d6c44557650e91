# Every target makes the virtual environment it needs; Python 3.11 to 3.13 is all that must be there.
#   make demo        a study from start to answer, about half a minute on two cores once installed
#   make test        everything CI checks: ruff, mypy, layers, quick and slow tests
#   make test-quick  the quick tests alone
#   make lint        ruff and mypy alone
#   make docs        the documentation, as a site in site/ (about two minutes once installed)
#   make bench       our cost beside a plain torch loop and the usual script
#   make bench-population   populations beside the usual script, Keras, a torch loop and JAX (about 20 minutes)
#   make clean       remove the environment and caches; records in mlruns/ stay

VENV  ?= .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed

WORKERS ?= auto
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all test-quick lint docs bench bench-population clean

help:
	@sed -n 's/^#   //p' Makefile

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  if $$python -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	  then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "lossearch needs Python 3.11, 3.12 or 3.13 with venv and pip; found $$(python3 --version 2>&1 || echo none)." >&2; \
	  echo "Install one (on Debian and Ubuntu: apt install python3 python3-venv) or name it: make PYTHON=/path/to/python" >&2; \
	  exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$($$found --version); this takes a few minutes once."; \
	$$found -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(STAMP)
	$(BIN)/lossearch run studies/tutorial_circles.toml

test: lint $(VENV)/.oracles
	$(BIN)/pytest -q -n $(WORKERS) --dist worksteal

# packages whose losses ours are held against; tests that need them are skipped without
$(VENV)/.oracles: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[oracles]"
	@touch $@

test-all: test

test-quick: $(STAMP)
	$(BIN)/pytest -q -n $(WORKERS) --dist worksteal -m "not slow"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_layers.py

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "The documentation is in site/index.html; $(BIN)/python -m http.server -d site serves it, with search."

$(VENV)/.docs: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	@touch $@

bench: $(STAMP)
	$(BIN)/python benchmarks/overhead.py

bench-population: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]"
	$(BIN)/python benchmarks/population.py $(ARGS)

clean:
	rm -rf $(VENV) build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
