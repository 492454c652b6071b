# Everything a person does with the course. `make help` lists the targets; the README explains the two that matter.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The first Python of a version that the course supports; `make PYTHON=/path/to/python3.12 course` chooses another.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
  if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then echo $$python; break; fi; done)
BIN := .venv/bin
ASSIGNMENT ?= gibbs_principle
ASSIGNMENTS := $(notdir $(patsubst %/,%,$(wildcard solutions/*/)))
LIBRARY := $(wildcard lectures_lib/*.py)
GRADER := $(shell find autograder -type f -not -path '*/__pycache__/*')
BOOK := _config.yml _toc.yml $(shell find book -type f -not -path '*/.ipynb_checkpoints/*')

.PHONY: help course book pdf release demo grade lab test lint format bench lock clean

help: ## this list
	@echo "make course   from a fresh clone to a built book, a student release and a graded class"
	@echo "make test     every test"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- the environment -------------------------------------------------------------------------------------------------

.venv/installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "The course needs Python 3.11, 3.12 or 3.13, and none was found. Install one, or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)"; exit 1; }
	@echo "==> environment: .venv from requirements.lock (about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --disable-pip-version-check --no-deps --require-hashes --progress-bar on -r requirements.lock | grep --line-buffered -E '^(Downloading|Installing|Successfully)' | cut -c1-100
	@$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# --- what the course is made of --------------------------------------------------------------------------------------

course: .venv/installed ## the book, the release and the graded demonstration class
	@$(MAKE) --no-print-directory _build/book release demo
	@$(BIN)/autograder overview

book: _build/book ## the book, in _build/html/index.html

pdf: _build/kernels ## the whole book as one PDF file, in _build/variational-methods.pdf (needs Chromium)
	@$(BIN)/python book/pdf.py

_build/kernels: .venv/installed $(LIBRARY)
	@echo "==> kernels: filling numba's cache"
	@rm -f lectures_lib/__pycache__/*.nb?  # numba sees that a file changed, but not that one it takes functions from did
	@$(BIN)/python -m lectures_lib
	@mkdir -p _build && touch $@

_build/book: _build/kernels $(ASSIGNMENTS:%=_build/release-%) $(BOOK)
	@echo "==> book: executing the chapters and building _build/html (a few minutes the first time)"
	@$(BIN)/python book/build.py
	@touch $@

release: $(ASSIGNMENTS:%=_build/release-%) ## what students receive, in release/

_build/release-%: solutions/%/*.ipynb .venv/installed $(GRADER) $(LIBRARY) nbgrader_config.py
	@echo "==> release: $*"
	@mkdir -p _build
	@$(BIN)/nbgrader generate_assignment $* --force --log-level=WARN
	@touch $@

demo: .venv/installed release ## the demonstration class: written to submitted/, graded, with feedback
	@$(BIN)/autograder demonstrate
	@for assignment in $(ASSIGNMENTS); do $(BIN)/autograder grade $$assignment --quiet || exit 1; done

grade: .venv/installed ## grades one assignment: make grade ASSIGNMENT=mean_field
	@$(BIN)/autograder grade $(ASSIGNMENT)

lab: .venv/installed ## JupyterLab with nbgrader's formgrader, on this course
	@echo "==> formgrader is in the menu Nbgrader; Ctrl-C ends the server"
	@$(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)" $(if $(filter 0,$(shell id -u)),--allow-root)

# --- for contributors ------------------------------------------------------------------------------------------------

test: _build/kernels ## every test
	@$(BIN)/python -m pytest

lint: .venv/installed ## ruff's rules and its formatter, without changing anything
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: .venv/installed ## rewrites the code as ruff wants it
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: .venv/installed ## speed as ratios against peers, kept in benchmarks/results.md
	@$(BIN)/python -m benchmarks

lock: ## renews requirements.lock from pyproject.toml (needs uv)
	UV_CUSTOM_COMPILE_COMMAND="make lock" uv pip compile --universal --python-version 3.11 --generate-hashes --all-extras --upgrade pyproject.toml -o requirements.lock

clean: ## removes what was generated, but not the environment
	rm -rf _build release submitted autograded feedback gradebook.db .hidden_seed
