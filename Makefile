# `make demo` and `make test` need Python >= 3.11 and a C++20 compiler, nothing else; each makes its own environment.
PYTHON ?= python3
PIP = -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

SOURCES := pyproject.toml CMakeLists.txt constraints.txt $(wildcard src/kernels/*)
MODULES := $(shell find src/klevels -name '*.py')

.PHONY: demo test lint bench campaign lowest wheel clean

demo: .venv-demo/ready
	.venv-demo/bin/klevels demo --output demo --overwrite

test: .venv-test/ready
	.venv-test/bin/python -m pytest tests src/klevels $(ARGS)
	.venv-test/bin/python -m pytest benchmarks --small --benchmark-disable --quiet

lint: .venv-lint/ready
	.venv-lint/bin/ruff check .
	.venv-lint/bin/ruff format --check .
	.venv-lint/bin/mypy
	.venv-lint/bin/lint-imports

bench: .venv-bench/ready
	.venv-bench/bin/python -m pytest benchmarks --benchmark-json=build/benchmark.json --quiet
	.venv-bench/bin/python -m benchmarks.report build/benchmark.json

# Longer than CI may take: the oldest versions that pyproject.toml allows, and the wheel.
campaign: lowest wheel

lowest: .venv-lowest/ready
	.venv-lowest/bin/python -m pytest tests -o filterwarnings=default $(ARGS)  # old libraries warn of new ones

# Builds a wheel, then installs it where no compiler can be found, and runs the main job with it.
wheel:
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python $(PIP) build
	rm -rf dist
	PIP_CONSTRAINT=constraints.txt .venv-wheel/bin/python -m build --wheel --outdir dist
	sh tools/check_wheel.sh "$(PYTHON)" dist/*.whl

.venv-demo/ready: $(SOURCES) $(MODULES)
	@echo "building klevels and installing what it needs, one or two minutes"
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python $(PIP) --force-reinstall --no-deps .
	.venv-demo/bin/python $(PIP) ".[samples]"
	touch $@

.venv-test/ready: $(SOURCES)
	@echo "building klevels and installing what the tests need, some minutes"
	$(PYTHON) -m venv .venv-test
	.venv-test/bin/python $(PIP) --editable ".[test,bench]"
	touch $@

.venv-lint/ready: $(SOURCES)
	$(PYTHON) -m venv .venv-lint
	.venv-lint/bin/python $(PIP) --editable ".[lint,all]"
	touch $@

.venv-bench/ready: $(SOURCES)
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python $(PIP) --editable ".[bench]"
	touch $@

.venv-lowest/ready: $(SOURCES) tools/lowest.py
	$(PYTHON) -m venv .venv-lowest
	$(PYTHON) tools/lowest.py pyproject.toml > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip --disable-pip-version-check install --quiet --constraint .venv-lowest/constraints.txt --editable ".[test]"
	touch $@

clean:
	rm -rf build dist demo .venv-demo .venv-test .venv-lint .venv-bench .venv-lowest .venv-wheel
