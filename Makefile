# Two commands on a fresh machine: make demo, make test. uv is used where it is installed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
export OMP_NUM_THREADS ?= 1
# uv does not read pip's settings; hand on where pip finds wheels (a CPU build of torch, say).
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
# Where real data of others lie; see shared.
SHARED ?= ../shared/data

.PHONY: setup demo test test-all tuners lint docs bench shared constraints sample assets clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@echo "Installing metadb and its dependencies into $(VENV): some minutes, and several GB where"
	@echo "PyTorch comes with CUDA (see Installing in the README for the small build)."
ifneq ($(UV),)
	test -x $(BIN)/python || uv venv --quiet --python $(PYTHON) $(VENV)
	uv pip install --quiet --python $(BIN)/python -c constraints.txt -e ".[dev]"
else
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
endif
	touch $@

demo: setup
	$(BIN)/python -m api.demo

# Without the slow ones that tests/slow.txt names, which test-all and CI run too. Three workers on two
# cores, as many tests wait for processes; types are checked beside them, as mypy has one thread.
test: QUICK := --quick
test test-all: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy & types=$$!; \
	$(BIN)/python -m pytest -n 3 --dist worksteal $(QUICK); tests=$$?; \
	wait $$types && exit $$tests
	@test -z "$(QUICK)" || echo "Left to make test-all and CI: the slow ones that tests/slow.txt names."

# The hooks against the real tuners, in environments .tuners/<name>; goes on where it was stopped.
tuners:
	$(PYTHON) tests/api/hooks/tuners.py $(TUNERS)

lint: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup
	$(BIN)/python -m benchmarks.dictionary

# Every benchmark that can run here. Searches that were run are kept in benchmarks/results, so the
# quality of the optimisers, cold and warm, is only summarised. New runs of the peers, and seconds
# beside theirs, need their packages, best in an environment of their own:
#   make setup VENV=.peers
#   .peers/bin/python -m pip install -e ".[yahpo,ray,dask]" botorch smac syne-tune
#   make bench VENV=.peers
# benchmarks/peers/__init__.py names the versions that the results were made with.
bench: setup
	$(BIN)/python -m benchmarks.store
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.crash
	$(BIN)/python -m benchmarks.hostile_sql
	$(BIN)/python -m benchmarks.server
	! $(BIN)/python -c "from shutil import which; import sys; sys.exit(not (which('chromium') or which('google-chrome')))" \
	  || $(BIN)/python -m benchmarks.first_view
	$(BIN)/python -m benchmarks.uploads
	$(BIN)/python -m benchmarks.warm_start
	$(BIN)/python -m benchmarks.few_tasks
	$(BIN)/python -m benchmarks.recommender_speed
	$(BIN)/python -m benchmarks.hpob
	$(BIN)/python -m benchmarks.openml
	$(BIN)/python -m benchmarks.metafeatures
	! $(BIN)/python -c "import sys, torch; sys.exit(not torch.cuda.is_available())" \
	  || $(BIN)/python -m benchmarks.optimizer_gpu
	test ! -d $(SHARED) || $(BIN)/python -m benchmarks.metafeatures_parity --data $(SHARED)/tabular
	test ! -d $(SHARED) || $(BIN)/python -m benchmarks.lcdb --data $(SHARED)/lcdb11
	test ! -d $(SHARED) || $(BIN)/python -m benchmarks.yahpo --data $(SHARED)/yahpo
	test ! -d $(SHARED) || $(BIN)/python -m benchmarks.curves --data $(SHARED)
	test ! -d $(SHARED) || $(BIN)/python -m benchmarks.prior --data $(SHARED)/yahpo
	test ! -d $(SHARED) || $(BIN)/python -m benchmarks.optimizer_quality --summary --data $(SHARED)/yahpo
	test ! -d $(SHARED) || $(BIN)/python -m benchmarks.warm_search --summary --data $(SHARED)/yahpo
	test ! -d $(SHARED) || $(BIN)/python -m benchmarks.shared --data $(SHARED)
	$(BIN)/python -m benchmarks.fewshot_speed
	test ! -d $(SHARED) || $(BIN)/python -m benchmarks.nas --summary
	! $(BIN)/python -c "import ray, distributed" || $(BIN)/python -m benchmarks.run_overhead
	! $(BIN)/python -c "import optuna, botorch, smac" || $(BIN)/python -m benchmarks.optimizer_speed

# Real data of others, which lie beside the checkout and are no part of it: each source reads its
# folder into a fresh store, twice, and the second time must add nothing. A table of what came.
shared: setup
	$(BIN)/python -m benchmarks.shared --data $(SHARED)

sample: setup
	$(BIN)/python -m benchmarks.sample

# The page's scripts of others, from npm: the versions that are written down, checked.
assets: setup
	$(BIN)/python -m benchmarks.assets

# The pinned versions, without torch's CUDA tree and without any URL.
constraints:
	uv pip compile --universal --upgrade --python-version 3.11 --no-annotate --no-header --no-emit-index-url \
	  --no-emit-find-links --no-emit-package torch --extra dev pyproject.toml | grep -viE '^(nvidia|cuda|triton)' > constraints.part
	mv constraints.part constraints.txt

clean:
	rm -rf $(VENV) demo build dist *.egg-info
