# make demo   the main job on embedded data, offline
# make test   formatting, types, layers, tests: everything that must hold before a commit
# make docs   the documentation as a site, in site/; open site/index.html
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all lint docs clean

demo: .venv/ready
	$(BIN)/vitreous demo --out demo

test: .venv/ready lint
	$(BIN)/python -m pytest

test-all: .venv/ready lint
	$(BIN)/python -m pytest -m ""

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: .venv/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo site/index.html

.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all]' --group dev
	touch $@

clean:
	rm -rf .venv demo site .pytest_cache .ruff_cache
