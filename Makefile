# Everything starts from a clone with Python 3.11 or 3.12, git and make. State lives in .venv and $REC_HOME (.rec).
SHELL := /bin/bash
VENV ?= .venv
RUN := $(VENV)/bin
PYTHONS := $(or $(PYTHON),python3.12 python3.11 python3)
# cpu fetches no CUDA library; gpu: TensorFlow, FAISS and torch built for CUDA.
DEVICE ?= cpu
UV_VERSION := 0.13.9
LOCKS := requirements/lock.txt requirements/$(DEVICE).txt
export REC_SOURCE := $(or $(SOURCE),$(REC_SOURCE),retail)
# uv does not read pip's settings; a folder of wheels given to pip serves it too, and may hold a torch without CUDA.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
ifeq ($(UV_FIND_LINKS),)
export UV_TORCH_BACKEND ?= $(if $(filter gpu,$(DEVICE)),auto,cpu)
endif

ifneq ($(and $(PYTHON),$(wildcard $(RUN)/python)),)
ifneq ($(shell $(PYTHON) -V 2>&1),$(shell $(RUN)/python -V 2>&1))
# PYTHON asks for another version than the environment is of: it is made anew.
.PHONY: renewed
renewed: ; rm -rf $(VENV)
$(RUN)/uv $(VENV)/.ready: renewed
endif
endif

.PHONY: demo dev test lint lock bench scale help

help: ## What there is to run.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(VENV)/.ready ## From nothing to recommendations, and leaves nothing running.
	$(RUN)/rec demo

dev: $(VENV)/.ready ## Dagster, the storefront and all servers, over the same state.
	$(RUN)/rec dev

test: $(VENV)/.ready-to-test ## The whole suite; PYTHON=python3.12 for another interpreter.
	$(RUN)/pytest $(PYTEST_ARGS)

lint: $(VENV)/.ready-to-test ## Format, lint, types and English.
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/python tools/check-english

bench: $(VENV)/.ready ## What a request costs on the running server, beside the reference's design.
	$(RUN)/python -m benchmarks.request_latency

scale: $(VENV)/.ready ## From raw rows to live at the size of the seed, 13 million rows, and what every asset took.
	$(RUN)/python -m benchmarks.scale run 13000000
	$(RUN)/python -m benchmarks.scale table

lock: $(RUN)/uv ## Resolves requirements/ anew from pyproject.toml.
	tools/lock $(RUN)/uv

$(RUN)/uv:
	python=$$(tools/find-python $(PYTHONS)) && $$python -m venv --clear $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# pip refuses a source distribution of merlin-dataloader for a URL in an extra; uv takes it. The locks are complete, and
# Merlin's own metadata is overridden there: nothing is resolved here.
$(VENV)/.ready: $(LOCKS) requirements/torch.txt pyproject.toml | $(RUN)/uv
	$(RUN)/uv pip install --quiet --python $(RUN)/python --no-deps --require-hashes $(addprefix -r ,$(LOCKS))
	$(RUN)/uv pip install --quiet --python $(RUN)/python -r requirements/torch.txt --constraint requirements/lock.txt
	$(RUN)/uv pip install --quiet --python $(RUN)/python --no-deps --editable .
	@touch $@

$(VENV)/.ready-to-test: $(VENV)/.ready requirements/dev.txt
	$(RUN)/uv pip install --quiet --python $(RUN)/python --no-deps --require-hashes -r requirements/dev.txt
	@touch $@
