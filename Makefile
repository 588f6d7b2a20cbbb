# make demo    the main job at work on this machine      make demo ARGS='--seconds 20'
# make test    the whole suite, four tests at a time    make test ARGS='tests/tail -k rotation'
# make faults  every fault as a story, as a table        make faults ARGS='--scale 10 -k kill'
# make soak    random faults until something breaks      make soak ARGS='--minutes 60 --seed 7'
# make bench   how fast, and at which cost per line       make bench ARGS='--size 200MB --jobs google,datadog'
# make image   the Dockerfile's targets, without Docker: builds them, runs them, prints their sizes; needs root on Debian
# All set up what they need in .venv first; the tests' servers come from Debian, where this may install them.

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
# Tests start outrider by the hundred: without bytecode each would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test faults soak bench image lint types layers format docs charts clean

demo: .venv/.core
	@$(BIN)/outrider demo $(ARGS)

test: .venv/.test
	@.ci/packages || true
	@$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),-n 4)

faults: .venv/.test
	@$(BIN)/python -m tests.faults.table $(ARGS)

soak: .venv/.test
	@OUTRIDER_TESTS_EXPLORE=1 $(BIN)/python -m tests.faults.soak $(ARGS)

bench: .venv/.test
	@$(BIN)/python -m bench $(ARGS)

image: .venv/.test
	@.ci/image/build
	@$(BIN)/python -m pytest -q tests/images/built.py
	@$(BIN)/python -m tests.images.archive build/image

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.test
	$(BIN)/mypy

layers: .venv/.test
	$(BIN)/lint-imports

format: .venv/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.test
	$(BIN)/outrider schema --reference > docs/configuration.md
	$(BIN)/python -m tests.checks.coverage > docs/checks.md

charts: .venv/.test
	@$(BIN)/python -m tests.charts.generated

clean:
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache outrider/native/*.so

.venv/.core: pyproject.toml hatch_build.py .ci/venv $(wildcard outrider/native/*.[ch])
	@.ci/venv "$(PYTHON)" .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.test: .venv/.core
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@
