# tinyloc: every target works in .venv, which the first one makes. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

RECIPE ?= house-a-mamba
BOARD ?= stm32l4
RUN ?= $(notdir $(basename $(RECIPE)))
RUNS ?= runs
PYTHON ?=
KEY ?=
LINK_KEY ?=
SUPPORTED := 3.13 3.12 3.11
BASE_TESTS ?= tests/boards tests/renode tests/codegen/test_reader.py tests/codegen/operators tests/device/test_zoo.py \
  tests/device/test_zoo_bytes.py tests/device/test_evaluate.py tests/tinyloc/test_portable.py tests/tinyloc/test_cli_boards.py
VENV ?= .venv

BIN := $(VENV)/bin
TINYLOC := $(BIN)/tinyloc
WHERE := --runs-dir $(RUNS)
KEYS = $(if $(KEY),--key $(KEY)) $(if $(LINK_KEY),--link-key $(LINK_KEY))
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: help demo train export codegen firmware emulate report renode flash evaluate bench test test-base test-slow lint misra docs wheel lock audit clean distclean

help: ## list the targets
	@echo "make TARGET [RECIPE=$(RECIPE)] [BOARD=$(BOARD)] [RUN=name] [PORT=/dev/ttyACM0]"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 14

# --- set-up ----------------------------------------------------------------------------------------------------------

# An editable install of EXTRAS with the versions of the lock; the stamp files make it run again when the dependencies change.
# With LOCKED=1, as CI does it: all packages of the lock, each checked against its SHA-256.
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
APT := DEBIAN_FRONTEND=noninteractive apt-get install -y -qq

# Set python and version: PYTHON if it is given, else the newest supported interpreter on the PATH.
define find_python
	@number='import sys; print("%d.%d" % sys.version_info[:2])'
	python=
	for candidate in $(or $(PYTHON),$(SUPPORTED:%=python%) python3); do
	  version=$$($$candidate -c "$$number" 2>/dev/null) || continue
	  case " $(SUPPORTED) " in *" $$version "*) python=$$candidate; break ;; esac
	done
	if [ -z "$$python" ]; then
	  echo "error: no supported Python$(if $(PYTHON), at $(PYTHON)): tinyloc runs on $(SUPPORTED); install one or name it: make PYTHON=..." >&2
	  exit 2
	fi
endef

# onnx2tf runs on Python 3.11 and asks for 3.12; pyproject.toml lists what it needs there. From 3.12 on it brings opencv-python
# (200 MB), which no conversion here uses.
ADJUST_ONNX2TF = if $(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; then \
	    $(PIP) --no-deps --ignore-requires-python onnx2tf==2.6.9; \
	  else $(BIN)/python -m pip uninstall --quiet --yes opencv-python; fi

define install
	$(find_python)
	echo "Installing tinyloc$(EXTRAS) into $(VENV) with $$python (Python $$version)$(NOTE)"
	if ! $$python -c 'import ensurepip' 2>/dev/null; then
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	    $(APT) python3-venv >/dev/null 2>&1 || { apt-get update -qq && $(APT) python3-venv >/dev/null; }
	  else
	    echo "error: $$python has no venv module; install it: sudo apt install python$$version-venv" >&2; exit 2
	  fi
	fi
	test -x $(BIN)/python || $$python -m venv $(VENV)
	version=$$($(BIN)/python -c "$$number")
	lock=requirements/locked-$$version.txt
	if [ -n '$(LOCKED)' ]; then
	  $(PIP) --require-hashes --no-deps --ignore-requires-python -r $$lock
	  $(PIP) --no-deps --no-build-isolation -e .
	else
	  sed -nE 's/^([A-Za-z0-9._-]+==[^ ;+\\]+).*/\1/p' $$lock >$(VENV)/versions.txt
	  $(PIP) -c $(VENV)/versions.txt -e '.$(EXTRAS)'
	  case '$(EXTRAS)' in *export*) $(ADJUST_ONNX2TF) ;; esac
	fi
	touch $(STAMPS)
endef

$(VENV)/.base: pyproject.toml
	$(install)
$(VENV)/.base: STAMPS = $(VENV)/.base

$(VENV)/.tools: pyproject.toml
	$(install)
$(VENV)/.tools: EXTRAS = [train,export]
$(VENV)/.tools: STAMPS = $(VENV)/.base $(VENV)/.tools
$(VENV)/.tools: NOTE = : about two minutes and 2 GB

$(VENV)/.dev: pyproject.toml
	$(install)
$(VENV)/.dev: EXTRAS = [train,export,study,keras,dev]
$(VENV)/.dev: STAMPS = $(VENV)/.base $(VENV)/.tools $(VENV)/.dev
$(VENV)/.dev: NOTE = : about two minutes and 3.5 GB

$(VENV)/.test: pyproject.toml
	$(install)
$(VENV)/.test: EXTRAS = [test]
$(VENV)/.test: STAMPS = $(VENV)/.base $(VENV)/.test

$(VENV)/.docs: pyproject.toml
	$(install)
$(VENV)/.docs: EXTRAS = [docs]
$(VENV)/.docs: STAMPS = $(VENV)/.base $(VENV)/.docs

.PHONY: compiler host-compiler
host-compiler: # tests compile the firmware's C for this machine too
	@command -v cc >/dev/null && exit 0
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	  echo "Installing gcc"
	  $(APT) gcc libc6-dev >/dev/null 2>&1 || { apt-get update -qq && $(APT) gcc libc6-dev >/dev/null; }
	else
	  echo "error: no C compiler; install it: sudo apt install gcc libc6-dev" >&2; exit 2
	fi

compiler: # the cross compiler: by apt when root, else say what is missing
	@command -v arm-none-eabi-gcc >/dev/null && exit 0
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	  echo "Installing gcc-arm-none-eabi"
	  packages="gcc-arm-none-eabi libnewlib-arm-none-eabi"
	  $(APT) $$packages >/dev/null 2>&1 || { apt-get update -qq && $(APT) $$packages >/dev/null; }
	else
	  echo "error: no arm-none-eabi-gcc; install it: sudo apt install gcc-arm-none-eabi libnewlib-arm-none-eabi" >&2
	  exit 2
	fi

# --- the path of a model ---------------------------------------------------------------------------------------------

demo: $(VENV)/.tools compiler ## the whole path on the simulated house, from training to the verdict, with each stage's time
	@stage() {
	  name=$$1; shift
	  echo "== $$name"
	  began=$$(date +%s)
	  "$$@" $(WHERE)
	  echo "== $$name took $$(( $$(date +%s) - began )) s"
	}
	stage train $(TINYLOC) train $(RECIPE) --run $(RUN)
	stage export $(TINYLOC) export $(RUN)
	stage codegen $(TINYLOC) codegen $(RUN)
	stage build $(TINYLOC) build $(RUN) --board $(BOARD) $(KEYS)
	stage emulate $(TINYLOC) emulate $(RUN) --board $(BOARD)

train: $(VENV)/.tools ## train RECIPE into runs/RUN (goes on where it was interrupted)
	$(TINYLOC) train $(RECIPE) --run $(RUN) $(WHERE)

export: $(VENV)/.tools ## export the run as ONNX and TFLite, and write the bundle
	$(TINYLOC) export $(RUN) $(WHERE)

codegen: $(VENV)/.base ## generate C from the bundle
	$(TINYLOC) codegen $(RUN) $(WHERE)

firmware: $(VENV)/.base compiler ## generate C and build the image for BOARD
	$(TINYLOC) codegen $(RUN) $(WHERE)
	$(TINYLOC) build $(RUN) --board $(BOARD) $(KEYS) $(WHERE)

emulate: $(VENV)/.base ## run the image in the emulator over the whole test set
	$(TINYLOC) emulate $(RUN) --board $(BOARD) $(WHERE)

report: $(VENV)/.base ## show the last evaluation again and write its HTML page
	$(TINYLOC) report $(RUN) --board $(BOARD) $(WHERE)

renode: $(VENV)/.base compiler ## run the image in an installed Renode (MODEL=directory of generated C instead of RUN)
	@$(TINYLOC) renode $(if $(MODEL),--generated $(MODEL),$(RUN)) --board $(BOARD) $(WHERE)

flash: $(VENV)/.base ## write the image to a connected board
	$(TINYLOC) flash $(RUN) --board $(BOARD) $(WHERE)

evaluate: $(VENV)/.base ## the same evaluation on the connected board at PORT
	$(TINYLOC) evaluate $(RUN) --board $(BOARD) $(if $(PORT),--port $(PORT)) $(WHERE)

bench: $(VENV)/.tools compiler ## measure the published figures and write them into docs/benchmarks.md
	@$(BIN)/python -m tests.bench.bench --runs-dir $(RUNS)
	@$(BIN)/python -m tests.bench.engines --runs-dir $(RUNS)
	@$(BIN)/python -m tests.bench.library
	@$(BIN)/python -m tests.bench.sweep
	@$(BIN)/python -m tests.bench.whole_models
	@$(BIN)/python -m tests.bench.embench

# --- the project itself ----------------------------------------------------------------------------------------------

test: $(VENV)/.dev compiler host-compiler ## run the tests; COVERAGE=1 prints the coverage of the package
	@$(BIN)/python -m pytest -m 'not slow' $(if $(COVERAGE),--cov --cov-report=term:skip-covered)

test-base: $(VENV)/.test compiler host-compiler ## run the tests of a base installation (PYTHON=..., VENV=..., COVERAGE=1)
	@TINYLOC_BASE_TESTS=1 $(BIN)/python -m pytest -m 'not slow' -n 2 $(if $(COVERAGE),--cov --cov-report=term:skip-covered) $(BASE_TESTS)

test-slow: $(VENV)/.dev compiler host-compiler ## run the tests that take minutes
	@$(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev ## ruff, ruff format, mypy, pyright's imports, layers, clang-format, spelling
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy -p tinyloc -p tests
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-logo
	$(BIN)/clang-format --dry-run -Werror firmware/kernels/*.h
	git ls-files '*.py' '*.md' '*.c' '*.h' '*.toml' '*.j2' ':!zoo' ':!results' | xargs $(BIN)/codespell

misra: $(VENV)/.dev ## MISRA C:2012 over generated code: nothing outside the list of docs/reference/misra.md
	@$(BIN)/python -m tests.library.misra

docs: $(VENV)/.docs ## build the documentation site into build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

wheel: $(VENV)/.base ## build the wheel and its bill of materials into dist/
	@$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	version=$$($(BIN)/python -m tinyloc --version | cut -d ' ' -f 2)
	test -x build/sbom/bin/cyclonedx-py || { $(BIN)/python -m venv build/sbom; build/sbom/bin/pip install --quiet 'cyclonedx-bom>=7,<8'; }
	rm -rf build/wheel-only
	$(BIN)/python -m venv --without-pip build/wheel-only
	$(BIN)/python -m pip --python build/wheel-only/bin/python install --quiet dist/tinyloc-$$version-*.whl
	build/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type library --output-reproducible \
	  --of JSON -o dist/tinyloc-$$version.cdx.json build/wheel-only/bin/python
	rm -rf build/wheel-only

lock: ## write requirements/locked-*.txt: versions and SHA-256 of what CI installs (UPGRADE=1: newer versions)
	@$(find_python)
	test -x build/lock/bin/uv || { $$python -m venv build/lock; build/lock/bin/pip install --quiet 'uv>=0.13,<0.14'; }
	PATH=$(abspath build/lock/bin):$$PATH UPGRADE='$(UPGRADE)' bash requirements/lock.sh

audit: ## look the locked packages up in the database of known vulnerabilities (needs the network)
	@$(find_python)
	test -x build/audit/bin/pip-audit || { $$python -m venv build/audit; build/audit/bin/pip install --quiet 'pip-audit>=2.10,<3'; }
	for lock in requirements/locked-*.txt; do build/audit/bin/pip-audit --require-hashes --disable-pip -r $$lock; done

clean: ## remove build products and caches; runs stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## remove the virtual environment too
	rm -rf $(VENV)
