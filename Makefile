# Everything starts from a clone with Python 3.11, git and make. State lives in .venv and $REC_HOME (.rec).
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin
export REC_SOURCE := $(or $(SOURCE),$(REC_SOURCE),retail)
# uv does not read pip's settings; a folder of wheels given to pip serves it too.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

.PHONY: demo dev test lint lock bench scale help

help: ## What there is to run.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(VENV)/.ready ## From nothing to recommendations, and leaves nothing running.
	$(RUN)/rec demo

dev: $(VENV)/.ready ## Dagster, the storefront and all servers, over the same state.
	$(RUN)/rec dev

test: $(VENV)/.ready ## The whole suite.
	$(RUN)/pytest $(PYTEST_ARGS)

lint: $(VENV)/.ready ## Format, lint and types.
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy

bench: $(VENV)/.ready ## What a request costs on the running server, beside the reference's design.
	$(RUN)/python -m benchmarks.request_latency

scale: $(VENV)/.ready ## From raw rows to live at the size of the seed, 13 million rows, and what every asset took.
	$(RUN)/python -m benchmarks.scale run 13000000
	$(RUN)/python -m benchmarks.scale table

lock: $(VENV)/bin/uv ## Resolves requirements/ anew from pyproject.toml.
	$(VENV)/bin/uv pip compile --quiet --python $(RUN)/python --all-extras pyproject.toml --no-header --no-annotate \
	  | sed -E 's/^(torch==[0-9.]+)\+cpu/\1/' > requirements/lock.tmp && mv requirements/lock.tmp requirements/lock.txt
	$(VENV)/bin/uv pip compile --quiet --group serving --python-version 3.12 --python-platform x86_64-manylinux_2_28 \
	  --no-header --no-annotate --output-file requirements/serving.txt

$(VENV)/bin/uv:
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet --disable-pip-version-check uv

# pip refuses a source distribution of merlin-dataloader for a URL in an extra; uv takes it.
$(VENV)/.ready: requirements/lock.txt pyproject.toml | $(VENV)/bin/uv
	$(RUN)/uv pip install --quiet --python $(RUN)/python -r requirements/lock.txt
	$(RUN)/uv pip install --quiet --python $(RUN)/python --no-deps --editable .
	@touch $@
