# Each command works on a fresh machine with Python 3.11 or newer; the first one sets up .venv, nothing else to do.

VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
# For `make test ARGS="-k psf -x"`.
ARGS ?=

EXTRAS_demo := plot
EXTRAS_test := test
EXTRAS_closure := test,calibrate

.DEFAULT_GOAL := help
.PHONY: help demo test nightly closure bench clean

help:
	@echo "make demo     simulate a small NIRCam mosaic and draw it, in ./demo"
	@echo "make test     ruff, mypy and the tests"
	@echo "make nightly  more of the tests at random: damaged files (10,000 instead of 300), disasters in runs (10 instead of 2), flipped bits (500 instead of 40)"
	@echo "make closure  run the JWST pipeline on simulated exposures and compare (installs jwst, about 1.6 GB); ARGS=detector: one table of the ramps of all detectors"
	@echo "make bench    measure the kernels and one whole exposure; ARGS=truth: compare what is simulated with published figures"
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

clean:
	@rm -rf .cache demo build dist

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

$(VENV)/installed-%: pyproject.toml | $(BIN)/python
	@echo "installing mirage_dask[$(EXTRAS_$*)] into $(VENV), once"
	@if command -v uv >/dev/null; then uv pip install --quiet --python $(BIN)/python -e ".[$(EXTRAS_$*)]"; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[$(EXTRAS_$*)]"; fi
	@touch $@
