# One command each; `make help` lists them. Needs make and Python 3.11 or newer with its venv module; no network beyond
# the package index that pip is configured for.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# More words for pip, for example an index that has the CPU build of torch (deploy/README.md, "CPU or GPU").
PIP_ARGS ?=
# Test workers: three also on two cores, as tests often wait; each starts a broker. WORKERS= runs all in one process.
WORKERS ?= -n 3 --dist loadfile --no-loadscope-reorder
# More words for `make demo`, for pytest in `make test`, and for `make lives` (`--first` seed) and `make soak`.
ARGS ?=
# Lives of `make lives`, which are 2000 unless told, examples of `make soak`, 100000, faults of `make chaos`, 30, and
# events of `make chaos-cluster`, 130.
N ?=

INSTALL := $(BIN)/python -m pip install -qq --no-compile --disable-pip-version-check -c constraints.txt $(PIP_ARGS)

# What is imported is compiled once, whatever the shell says: else each daemon that a test starts compiles torch anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup test-setup demo demo-cluster test lives soak chaos chaos-cluster lint audit format docs proto docs-pictures wheel clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.setup ## make .venv with streamlearner in it (again only when pyproject.toml or constraints.txt changed)

demo: setup ## learn a stream of digits on this machine, no broker needed; ARGS="..." goes to `streamlearner demo`
	$(BIN)/streamlearner demo $(ARGS)

demo-cluster: test-setup ## two learners, a consolidator, two replicas and Kafka on this machine, one learner killed
	@tests/system-packages
	PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 $(BIN)/python -m tests.demo_cluster $(ARGS)

test: test-setup ## run every test; those whose tools are missing skip and say why; ARGS="..." goes to pytest
	@tests/system-packages
	PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 \
		$(BIN)/python -m pytest -p tests.support.plugin_required $(WORKERS) $(ARGS)

lives: test-setup ## live N simulated lives of the daemon, with faults at any call (2000); ARGS="--workers 2" for two processes
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.lives $(if $(N),--lives $(N)) $(ARGS)

soak: test-setup ## one daemon for N examples: what of its memory, time, descriptors, threads and disk grows
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.soak $(if $(N),--examples $(N)) $(ARGS)

chaos: test-setup ## daemons on a real broker that meet N faults (30): kills, freezes, a broker that dies; needs Java
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos $(if $(N),--faults $(N)) $(ARGS)

chaos-cluster: test-setup ## N kills, frozen and other numbers of learners (130) on several nodes of Ray; goes on from its log
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos_cluster $(if $(N),--events $(N)) $(ARGS)

lint: test-setup ## style, types and the direction of imports, as in CI
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: test-setup ## ask the public advisories about every pinned version, where they can be reached
	$(BIN)/python -m tests.support.audit

format: test-setup ## put the style right where that can be done safely
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: test-setup ## write the generated parts of docs/ anew: reference, imports, file map
	$(BIN)/python -m tests.support.reference

proto: test-setup ## compile the definition of the Open Inference Protocol anew (grpcio-tools)
	$(BIN)/python -m tests.support.protocol

docs-pictures: test-setup ## draw the pictures of docs/ anew; needs Chromium and its driver (Debian: chromium-driver)
	$(BIN)/python -m tests.support.pictures

wheel: setup ## build dist/streamlearner-*.whl
	rm -rf build
	$(BIN)/python -m pip wheel -qq --disable-pip-version-check --no-deps $(PIP_ARGS) --wheel-dir dist .
	@ls dist/*.whl

clean: ## remove .venv and everything built
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

test-setup: $(VENV)/.test-setup

$(VENV)/.setup: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(None if sys.version_info >= (3, 11) else \
	"streamlearner needs Python 3.11 or newer; $(PYTHON) is " + v + ". Name another: make setup PYTHON=python3.12")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo 'Installing streamlearner into $(VENV): about a minute the first time'
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.test-setup: $(VENV)/.setup
	@$(INSTALL) --editable '.[test,bench]'
	@touch $@
