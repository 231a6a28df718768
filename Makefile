# Two commands do everything: `make app` and `make test`. Both install into .venv first.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: app fast test test-all lint bench samples lock clean

.venv/app.done: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/dev.done: requirements-dev.txt .venv/app.done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

app: .venv/app.done            ## open the app on a bundled sample
	$(BIN)/python -m app

fast: .venv/dev.done           ## style and the fast tests: what to run after every change
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -q -n 2 -m "not long and not slow and not browser and not gpu"

test: fast                     ## also the long tests and, where a Chromium is found, the browser tests
	$(BIN)/python -m pytest -q -n 2 -m long
	$(BIN)/python -m pytest -q -m browser -rs

test-all: test                 ## also the slow tests
	$(BIN)/python -m pytest -q -m "slow"

bench: .venv/dev.done          ## speed as ratios, written to docs/results/
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.masks --out docs/results/masks.md
	$(BIN)/python -m benchmarks.fairness --out docs/results/fairness_speed.md
	$(BIN)/python -m benchmarks.attribution --out docs/results/attribution_speed.md

samples: .venv/app.done        ## remake the bundled checkpoints
	$(BIN)/python -m benchmarks.samples

.venv/lock/bin/uv:
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.10,<1"

lock: .venv/lock/bin/uv        ## pin every package with the hashes of its files, in requirements.lock
	.venv/lock/bin/python deploy/lock.py

clean:
	rm -rf .venv
