# Each command works on a fresh machine with Python 3.11 or newer; the first one sets up .venv, nothing else to do.

VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
# For `make test ARGS="-k psf -x"`.
ARGS ?=

EXTRAS_demo := plot
EXTRAS_test := test
EXTRAS_closure := test,calibrate
EXTRAS_docs := docs
# For `make lowest PYTHON=python3.12`.
PYTHON ?= python3.11

.DEFAULT_GOAL := help
.PHONY: help demo test nightly closure bench docs dist lowest clean

help:
	@echo "make demo     simulate a small NIRCam mosaic and draw it, in ./demo"
	@echo "make test     ruff, mypy and the tests"
	@echo "make nightly  more of the tests at random: damaged files (10,000 instead of 300), disasters in runs (10 instead of 2), flipped bits (500 instead of 40)"
	@echo "make closure  run the JWST pipeline on simulated exposures and compare (installs jwst, about 1.6 GB); ARGS=detector: one table of the ramps of all detectors"
	@echo "make bench    measure the kernels and one whole exposure; ARGS=truth: compare what is simulated with published figures"
	@echo "make docs     build the site into docs/_build/html; warnings are errors"
	@echo "make dist     build wheel and sdist into dist, twice, and compare their bytes"
	@echo "make lowest   install the lowest versions of the dependencies, with uv, into .venv-lowest and run tests there"
	@echo "make clean    remove what the other commands made, except $(VENV)"

demo: $(VENV)/installed-demo
	@$(BIN)/mirage-dask demo demo

test: $(VENV)/installed-test
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/pytest -m "not closure" -n $(JOBS) --dist worksteal $(ARGS)

nightly: $(VENV)/installed-test
	@MIRAGE_DASK_MUTATIONS=10000 MIRAGE_DASK_CHAOS=10 MIRAGE_DASK_FLIPS=500 \
	  $(BIN)/pytest -n $(JOBS) tests/apt/test_apt_random.py tests/run/failures/test_chaos.py tests/untrusted/test_flips.py $(ARGS)

closure: $(VENV)/installed-closure
	@$(BIN)/pytest -m closure -o faulthandler_timeout=1500 $(foreach word,$(ARGS),$(if $(wildcard tests/closure/$(word)/.),tests/closure/$(word),$(word)))

bench: $(VENV)/installed-test
	@$(BIN)/python benchmarks/run.py $(ARGS)

docs: $(VENV)/installed-docs
	@$(BIN)/python -m sphinx -W --keep-going -n -q -b html docs docs/_build/html
	@echo docs/_build/html/index.html

# The time in the archives is that of the commit, so that the same commit gives the same bytes.
dist: export SOURCE_DATE_EPOCH = $(shell git log -1 --format=%ct)
dist: $(VENV)/installed-dist
	@rm -rf dist build/again
	@$(BIN)/python -m build --outdir dist
	@$(BIN)/python -m build --outdir build/again >/dev/null
	@for file in dist/*; do cmp "$$file" "build/again/$$(basename "$$file")" && echo "$$file: the same bytes twice"; done

# Parts that touch every dependency. Others come with what is tested here, or with the extras.
LOWEST := tests/accessor tests/apt/test_apt_example.py tests/catalogs tests/cli tests/executed tests/exposure tests/fits \
  tests/footprints tests/injection tests/instruments tests/io tests/planning tests/plot tests/pointing tests/psf tests/run \
  tests/settings tests/store tests/test_indexing.py tests/test_lazy.py tests/test_lazy_engine.py tests/untrusted
lowest:
	@uv venv --quiet --clear --python $(PYTHON) .venv-lowest
	@uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct -e ".[plot,dashboard,sky,spectra,tso]" \
	  "hypothesis>=6.110" "jsonschema>=4.20" "pytest>=9.0" "pytest-xdist>=3.6" "regions>=0.10"
	@.venv-lowest/bin/pytest -m "not closure and not slow" -n $(JOBS) --dist worksteal $(LOWEST) $(ARGS)

clean:
	@rm -rf .cache .venv-lowest demo build dist docs/_build

# pip or, where it is installed, uv; Python: the first of these that runs, is new enough and has wheels to install.
$(BIN)/python:
	@set -e; \
	for python in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	  if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if command -v uv >/dev/null; then \
	  echo "creating $(VENV) with uv"; uv venv --quiet --clear --python "$${found:-3.13}" $(VENV); \
	elif [ -z "$$found" ]; then \
	  echo "mirage_dask needs Python 3.11 to 3.14 on the PATH, none was found" >&2; exit 1; \
	else \
	  echo "creating $(VENV) with $$($$found --version)"; \
	  $$found -m venv --clear $(VENV) || { rm -rf $(VENV); echo "cannot create $(VENV): on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }; \
	fi

$(VENV)/installed-dist: | $(BIN)/python
	@if command -v uv >/dev/null; then uv pip install --quiet --python $(BIN)/python "build>=1.2"; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check "build>=1.2"; fi
	@touch $@

$(VENV)/installed-%: pyproject.toml | $(BIN)/python
	@echo "installing mirage_dask[$(EXTRAS_$*)] into $(VENV), once"
	@if command -v uv >/dev/null; then uv pip install --quiet --python $(BIN)/python -e ".[$(EXTRAS_$*)]"; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[$(EXTRAS_$*)]"; fi
	@touch $@
