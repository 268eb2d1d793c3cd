# make quickstart            train, fine-tune, export and prove on handwritten digits
# make quickstart DATA=dir   the same on your photos, one folder per class
# make quickstart-text       the same on film reviews, or DATA=table.csv with columns text and label
# make test                  lint, types, layers and all tests
# make docs                  the documentation, in site/
# make wheel                 the wheel, installed by itself, runs the quick start

PYTHON ?= python3
VENV ?= .venv
OUT ?= quickstart-out
DATA ?=
BIN = $(VENV)/bin
# uv installs the same files as pip in a fraction of the time, where there is one.
UV ?= $(shell command -v uv)
# Bytecode is compiled when it is first imported: pip would compile all of TensorFlow now.
install = $(if $(UV),"$(UV)" pip install --quiet --python $(1)/bin/python,$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile)
# $(call locked,VENV,NAME): what requirements/NAME.txt names, by version and hash.
locked = $(call install,$(1)) --no-deps --require-hashes --requirement requirements/$(2).txt
# kerastl itself; what builds it is in every lock.
itself = $(call install,$(1)) --no-deps --no-build-isolation --editable .
# $(call timed,NAME,COMMAND): says how long it took.
timed = @start=$$(date +%s); $(2) && echo "$(1): $$(($$(date +%s) - start)) s" | tee -a .times

TESTS = -m "not long and not matrix"
TOOLS = pytest pytest-timeout hypothesis

.PHONY: quickstart quickstart-text test lint tests long matrix lock latest lowest upstream wheel jax torch docs clean

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "make wants Python 3.11, 3.12 or 3.13; choose one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.quickstart: requirements/quickstart.txt requirements/quickstart-assets.txt pyproject.toml $(BIN)/python
	$(call locked,$(VENV),quickstart)
	$(call locked,$(VENV),quickstart-assets)
	$(call itself,$(VENV))
	@touch $@

$(VENV)/.quickstart-text: requirements/quickstart-text.txt requirements/quickstart-text-assets.txt pyproject.toml $(BIN)/python
	$(call locked,$(VENV),quickstart-text)
	$(call locked,$(VENV),quickstart-text-assets)
	$(call itself,$(VENV))
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/quickstart-assets.txt requirements/quickstart-text-assets.txt pyproject.toml $(BIN)/python
	$(call locked,$(VENV),dev)
	$(call locked,$(VENV),quickstart-assets)
	$(call locked,$(VENV),quickstart-text-assets)
	$(call itself,$(VENV))
	@touch $@

quickstart: $(VENV)/.quickstart
	$(BIN)/python recipes/quickstart.py $(if $(DATA),"$(DATA)") --out "$(OUT)"

quickstart-text: $(VENV)/.quickstart-text
	$(BIN)/python recipes/quickstart_text.py $(if $(DATA),"$(DATA)") --out "$(OUT)/text"

test:
	@rm -f .times
	$(call timed,installation,$(MAKE) --no-print-directory $(VENV)/.dev)
	$(call timed,lint and types,$(MAKE) --no-print-directory lint)
	$(call timed,tests,$(MAKE) --no-print-directory tests)
	@echo; cat .times; rm .times

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Quick tests first (tests/conftest.py), so that what is wrong shows soon. At the end an idle worker
# takes tests over from the other.
tests: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal $(TESTS) --durations=25

# What takes minutes and shows little that the tests above do not.
long: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -m long

# Every backbone through every format; rows measured before with the same code are kept.
matrix: $(VENV)/.dev
	$(BIN)/python benchmarks/export_matrix.py $(or $(PHOTOS),../shared/data/trashnet_small)
	$(BIN)/python -m pytest -m matrix

# Which faults of other libraries are still there, and whether kerastl is right without them.
upstream: $(VENV)/.dev
	$(BIN)/python -m tests.upstream 2>/dev/null

# Renews the locks with the newest versions that pyproject.toml allows, for Python 3.11 to 3.13 on
# Linux (x86-64, arm64) and macOS (arm64). Run `make latest` and `make lowest` before.
compile = .venvs/lock/bin/uv pip compile pyproject.toml requirements/build.in --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --constraint requirements/constraints.in --custom-compile-command "make lock"
lock:
	$(PYTHON) -m venv .venvs/lock
	.venvs/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(compile) --extra dev --output-file requirements/dev.txt
	$(compile) --extra tensorflow --extra onnx --extra litert --constraint requirements/dev.txt --output-file requirements/quickstart.txt
	$(compile) --extra text-serving --extra onnx --extra litert --constraint requirements/dev.txt --output-file requirements/quickstart-text.txt
	.venvs/lock/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' > .venvs/lock/docs.in
	$(subst pyproject.toml requirements/build.in,.venvs/lock/docs.in,$(compile)) --output-file requirements/docs.txt
	.venvs/lock/bin/python tests/locks.py

# The newest dependencies, without the lock, in an environment of their own. WITH="onnxruntime<1.32"
# holds some back.
latest: $(BIN)/python
	$(PYTHON) -m venv --clear .venvs/latest
	$(call install,.venvs/latest) --upgrade --editable ".[dev]" $(if $(WITH),"$(WITH)")
	$(call locked,.venvs/latest,quickstart-assets)
	$(call locked,.venvs/latest,quickstart-text-assets)
	.venvs/latest/bin/python -m pytest -n 2 --dist worksteal $(TESTS)

# The oldest dependencies that pyproject.toml allows, in environments of their own: without KerasHub,
# and then what needs it.
lowest: $(BIN)/python
	$(call oldest,lowest,,tests)
	$(call oldest,lowest-texts,texts,$(shell grep -lr keras_hub tests --include="test_*.py"))
# $(call oldest,VENV,SET,TESTS)
define oldest
	$(PYTHON) -m venv --clear .venvs/$(1)
	$(BIN)/python tests/lowest.py $(2) > .venvs/$(1)/pins.txt
	$(call install,.venvs/$(1)) --requirement .venvs/$(1)/pins.txt $(TOOLS)
	$(call install,.venvs/$(1)) --no-deps --editable .
	.venvs/$(1)/bin/python -m pytest $(3) -m "not slow and not long and not matrix" -W default
endef

# The documentation, in site/. Its extensions read the sources and import nothing of kerastl.
docs:
	$(PYTHON) -m venv .venvs/docs
	$(call locked,.venvs/docs,docs)
	NO_MKDOCS_2_WARNING=1 .venvs/docs/bin/mkdocs build --strict --clean
	.venvs/docs/bin/python tests/site.py site

# The wheel, in an environment with nothing but what it asks for, away from this folder.
wheel: $(BIN)/python
	$(PYTHON) -m venv --clear .venvs/wheel
	$(call locked,.venvs/wheel,quickstart)
	$(call locked,.venvs/wheel,quickstart-assets)
	.venvs/wheel/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir .venvs/wheel/dist .
	.venvs/wheel/bin/python -m pip install --quiet --disable-pip-version-check --no-deps .venvs/wheel/dist/kerastl-*.whl
	cd .venvs/wheel && env -u PYTHONPATH bin/python -c 'import kerastl, pathlib; assert "site-packages" in kerastl.__file__, kerastl.__file__; print(kerastl.__file__)'
	cd .venvs/wheel && env -u PYTHONPATH bin/python ../../recipes/quickstart.py --smoke --out out

# JAX without TensorFlow.
jax: $(BIN)/python
	$(PYTHON) -m venv .venvs/jax
	$(call install,.venvs/jax) --editable ".[jax]" $(TOOLS) scikit-learn
	KERAS_BACKEND=jax .venvs/jax/bin/python -m pytest tests/data tests/graph tests/training tests/model -m "not slow and not long and not matrix"

# torch.export beside TensorFlow; the version is named so that no newer one brings a GPU's packages.
TORCH ?= torch==2.13.0
torch: $(BIN)/python
	$(PYTHON) -m venv .venvs/torch
	.venvs/torch/bin/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	$(call install,.venvs/torch) --editable ".[all,torch]" $(TOOLS) scikit-learn
	.venvs/torch/bin/python -m pytest tests/bundles/test_torch.py
	.venvs/torch/bin/python -m tests.upstream 2>/dev/null

clean:
	rm -rf $(VENV) .venvs .times $(OUT) site
