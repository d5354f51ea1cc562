# make demo   train and test a vision transformer on real digits (a minute, no network but the package index)
# make test   the tests            make lint   the linter and the types
# make reproduce        every experiment that needs no download, at a reduced budget, held against what is expected of it
#                       (about three minutes on two cores); then report/index.html
# make reproduce-full   the same at the full budget, and those with real data in ARCHLAB_DATA (hours)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint install reproduce reproduce-full
.DEFAULT_GOAL := demo
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/python -m lab.commands.demo

reproduce: $(VENV)/.installed
	@status=0; $(BIN)/python -m lab.sweeps.reproduce || status=$$?; $(BIN)/python report.py && exit $$status

reproduce-full: $(VENV)/.installed
	@status=0; $(BIN)/python -m lab.sweeps.reproduce --full || status=$$?; $(BIN)/python report.py && exit $$status

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy

install: $(VENV)/.installed-dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "$(PYTHON) is older than Python 3.10; name a newer one: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# PyTorch for Linux comes with CUDA; its own index has builds for the CPU: https://pytorch.org/get-started/locally/
CPU_BUILDS = PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make $(MAKECMDGOALS)

# A stamp marks a finished installation: a broken-off one is taken up again.
$(VENV)/.installed: requirements.txt | $(BIN)/python
	@echo "Installing requirements.txt into $(VENV), 6 GB with CUDA; 1.5 GB with CPU builds of PyTorch: $(CPU_BUILDS)"
	$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@echo "Installing requirements-dev.txt into $(VENV): what tests and linter need, 0.2 GB"
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@
