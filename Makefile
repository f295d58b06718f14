# Needs a clone, Python 3.11 or 3.12, git and make. The state is in .venv and $REC_HOME (.rec).
SHELL := /bin/bash
VENV ?= .venv
RUN := $(VENV)/bin
PYTHONS := $(or $(PYTHON),python3.12 python3.11 python3)
# cpu: no CUDA libraries. gpu: TensorFlow, FAISS and torch built for CUDA.
DEVICE ?= cpu
UV_VERSION := 0.13.9
LOCKS := requirements/lock.txt requirements/$(DEVICE).txt
ifneq ($(SOURCE),)
export REC_SOURCE := $(SOURCE)
endif
# uv does not read pip's settings, so it gets pip's folder of wheels here. This folder may contain a torch without CUDA.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
ifeq ($(UV_FIND_LINKS),)
export UV_TORCH_BACKEND ?= $(if $(filter gpu,$(DEVICE)),auto,cpu)
endif

ifneq ($(and $(PYTHON),$(wildcard $(RUN)/python)),)
ifneq ($(shell $(PYTHON) -V 2>&1),$(shell $(RUN)/python -V 2>&1))
# PYTHON has another version than the environment, so the environment is built again.
.PHONY: renewed
renewed: ; rm -rf $(VENV)
$(RUN)/uv $(VENV)/.ready: renewed
endif
endif

.PHONY: demo dev test lint audit lock bench scale help

help: ## Lists the commands.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(VENV)/.ready ## Builds everything, prints recommendations, stops all servers.
	$(RUN)/rec demo

dev: $(VENV)/.ready ## Runs Dagster, the storefront, the API and all servers on the same state.
	$(RUN)/rec dev

test: $(VENV)/.ready-to-test ## Runs all tests; PYTHON=python3.12 selects another interpreter.
	$(RUN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(VENV)/.ready-to-test ## Checks format, lint, types, imports between folders, and English.
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/lint-imports
	$(RUN)/python tools/check-english

# Strict, because without advisories from the network every package would be skipped, and the audit would pass.
audit: $(RUN)/uv ## Looks up known vulnerabilities of the pinned packages; needs the internet.
	$(RUN)/uv tool run pip-audit@2.10.1 --strict --disable-pip -r requirements/lock.txt -r requirements/serving.txt

bench: $(VENV)/.ready ## Measures requests on the running server, compared with the reference design.
	$(RUN)/python -m benchmarks.request_latency

scale: $(VENV)/.ready ## Builds a live bundle from 13 million rows, and prints time and memory of every asset.
	$(RUN)/python -m benchmarks.scale run 13000000
	$(RUN)/python -m benchmarks.scale table

lock: $(RUN)/uv ## Resolves requirements/ again from pyproject.toml.
	tools/lock $(RUN)/uv

$(RUN)/uv:
	python=$$(tools/find-python $(PYTHONS)) && $$python -m venv --clear $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# pip rejects the source distribution of merlin-dataloader for a URL in an extra; uv accepts it. The locks are complete and
# override Merlin's own metadata, so this rule resolves nothing.
$(VENV)/.ready: $(LOCKS) requirements/torch.txt pyproject.toml | $(RUN)/uv
	$(RUN)/uv pip install --quiet --python $(RUN)/python --no-deps --require-hashes $(addprefix -r ,$(LOCKS))
	$(RUN)/uv pip install --quiet --python $(RUN)/python -r requirements/torch.txt --constraint requirements/lock.txt
	$(RUN)/uv pip install --quiet --python $(RUN)/python --no-deps --editable .
	@touch $@

$(VENV)/.ready-to-test: $(VENV)/.ready requirements/dev.txt
	$(RUN)/uv pip install --quiet --python $(RUN)/python --no-deps --require-hashes -r requirements/dev.txt
	@touch $@
