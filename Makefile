# make quickstart            train, fine-tune, export and prove on handwritten digits
# make quickstart DATA=dir   the same on your photos, one folder a class
# make quickstart-text       the same on film reviews, or DATA=table.csv with columns text and label
# make test                  lint, types, layers and all tests

PYTHON ?= python3
VENV ?= .venv
OUT ?= quickstart-out
DATA ?=
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: quickstart quickstart-text test lint long matrix lowest jax torch clean

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "kerastl needs Python 3.11 or newer; choose one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.all: pyproject.toml $(VENV)/bin/python
	$(PIP) --editable ".[all]"
	@touch $@

$(VENV)/.quickstart: recipes/quickstart-requirements.txt $(VENV)/.all
	$(PIP) --no-deps --require-hashes --requirement recipes/quickstart-requirements.txt
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.quickstart
	$(PIP) --editable ".[dev]"
	@touch $@

quickstart: $(VENV)/.quickstart
	$(BIN)/python recipes/quickstart.py $(if $(DATA),"$(DATA)") --out "$(OUT)"

quickstart-text: $(VENV)/.quickstart
	$(BIN)/python recipes/quickstart_text.py $(if $(DATA),"$(DATA)") --out "$(OUT)/text"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Quick tests first (tests/conftest.py): what is wrong shows soon. One worker takes tests over from
# the other in the end, so that none waits.
test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not long and not matrix" --durations=25

# What takes minutes and shows little that the tests above do not.
long: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -m long

# Every backbone through every format; rows measured before with the same code are kept.
matrix: $(VENV)/.dev
	$(BIN)/python benchmarks/export_matrix.py $(or $(PHOTOS),../shared/data/trashnet_small)
	$(BIN)/python -m pytest -m matrix

# The oldest dependencies that pyproject.toml allows, in an environment of their own.
lowest: $(VENV)/bin/python
	$(PYTHON) -m venv .venvs/lowest
	$(BIN)/python tests/lowest.py > .venvs/lowest/pins.txt
	.venvs/lowest/bin/python -m pip install --quiet --requirement .venvs/lowest/pins.txt pytest pytest-timeout hypothesis
	.venvs/lowest/bin/python -m pip install --quiet --no-deps --editable .
	.venvs/lowest/bin/python -m pytest -m "not slow and not long and not matrix" -W default

# JAX without TensorFlow.
jax: $(VENV)/bin/python
	$(PYTHON) -m venv .venvs/jax
	.venvs/jax/bin/python -m pip install --quiet --editable ".[jax]" pytest pytest-timeout hypothesis scikit-learn
	KERAS_BACKEND=jax .venvs/jax/bin/python -m pytest tests/data tests/graph tests/training tests/model -m "not slow and not long and not matrix"

# torch.export beside TensorFlow; the version is named so that no newer one brings a GPU's packages.
TORCH ?= torch==2.13.0
torch: $(VENV)/bin/python
	$(PYTHON) -m venv .venvs/torch
	.venvs/torch/bin/python -m pip install --quiet "$(TORCH)"
	.venvs/torch/bin/python -m pip install --quiet --editable ".[all,torch]" pytest pytest-timeout hypothesis scikit-learn
	.venvs/torch/bin/python -m pytest tests/exporting/test_torch.py

clean:
	rm -rf $(VENV) .venvs $(OUT)
