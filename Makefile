# Every target sets up what it needs, once, and again only when its requirements change.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

ENV ?= dev
export SAM_CLI_TELEMETRY := 0
# As pip does: a proxy may have a certificate of its own.
export UV_SYSTEM_CERTS := 1
# The plotting library's notes, which it would leave in the home directory.
export MPLCONFIGDIR := $(CURDIR)/.venvs/matplotlib
export PYTHONPATH := $(CURDIR):$(CURDIR)/layers/shared

DEV := .venvs/dev/ready
AWS := .venvs/aws/ready
SAM := .venvs/sam/ready
UV := .venvs/uv/ready
PY := .venvs/dev/bin/python
SAM_CLI := .venvs/sam/bin/sam
COVERED := $(PY) -m pytest --numprocesses auto --dist worksteal --cov --cov-branch
SOURCES := layers functions operations sandbox tests benchmarks

.PHONY: help demo up down dashboard test unit beside e2e check format lint types template policy-check bench
.PHONY: build deploy policy policy-show policy-revert dlq-redrive requirements clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / {printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(DEV) $(AWS) $(SAM) ## Build, deploy onto a local AWS, play PayNearMe's part, and show what happened
	@$(PY) -m sandbox demo

up: $(DEV) $(AWS) $(SAM) ## Start the local stack and leave it running; again to deploy changes onto it
	@$(PY) -m sandbox up

down: $(DEV) ## Stop the local stack and remove what it left
	@$(PY) -m sandbox down

dashboard: $(DEV) $(AWS) $(SAM) ## Draw the dashboard as docs/dashboard.png: after make up that stack's, else one kept busy for it
	@$(PY) -m sandbox dashboard

test: ## Everything: integration and unit tests with coverage, end-to-end tests, check
	@$(MAKE) --no-print-directory --jobs 3 $(DEV) $(AWS) $(SAM)
	@$(MAKE) --no-print-directory format lint
	$(COVERED) tests/integration --cov-report= --cov-fail-under=0
	@$(MAKE) --no-print-directory --jobs 2 --keep-going e2e types template policy-check beside

unit: $(DEV) ## Run the unit and the integration tests, the first case of each with a floor for branch coverage
	$(COVERED) tests/unit tests/integration --cov-report term

# The end-to-end tests leave a core idle while they start the stack, and then half of both: most of them wait.
# What is told of the unit tests comes in one piece, not among their dots.
beside: $(DEV)
	@told=$$($(COVERED) tests/unit --cov-append --cov-report term 2>&1); status=$$?; \
	    printf '\n%s\n' "$$told"; exit $$status

e2e: $(DEV) $(AWS) $(SAM) ## Run the end-to-end tests against the deployed local stack
	$(PY) -m pytest tests/e2e

check: format lint types template policy-check ## Check format, lint, types, the template and the policies

format: $(DEV)
	$(PY) -m ruff format --check $(SOURCES)

lint: $(DEV) ## Lint
	$(PY) -m ruff check $(SOURCES)

types: $(DEV) ## Check types, strictly
	$(PY) -m mypy

template: $(SAM)
	$(SAM_CLI) validate --lint --region us-east-1

policy-check: $(DEV) ## Check policy.json and the worked examples in docs/policies
	$(PY) -m operations policy check policy.json docs/policies/*.json

bench: $(DEV) ## Measure what callbacks, imports and a long history cost, as ratios (after make up)
	$(PY) -m benchmarks.callbacks
	$(PY) -m benchmarks.imports
	$(PY) -m benchmarks.history

build: $(DEV) $(SAM) ## Build what would be deployed to AWS: make build ENV=prod
	@# SAM builds with the python3.13 that it finds on the path.
	PATH="$(CURDIR)/.venvs/dev/bin:$$PATH" $(SAM_CLI) build --config-env $(ENV)

deploy: build ## Deploy to AWS with your credentials: make deploy ENV=prod
	$(if $(filter local,$(ENV)),$(error 'make up' deploys the local stack; here say ENV=dev or ENV=prod))
	$(SAM_CLI) deploy --config-env $(ENV)

policy: $(DEV) ## Bring policy.json into force: make policy ENV=prod, or ENV=local after make up
	@$(PY) -m operations policy deploy --config-env $(ENV)

policy-show: $(DEV) ## Show the policy in force and how policy.json differs: make policy-show ENV=prod
	@$(PY) -m operations policy show --config-env $(ENV)

policy-revert: $(DEV) ## Take back the policy on its way, or else the one in force: make policy-revert ENV=prod
	@$(PY) -m operations policy revert --config-env $(ENV)

dlq-redrive: $(DEV) ## Tell what is among the dead letters: make dlq-redrive ENV=prod, or ENV=local
	@$(PY) -m operations events redrive --config-env $(ENV)

requirements: $(UV) | .venvs/interpreter ## Pin all requirements anew
	@for in in layers/shared/requirements.in sandbox/environment/requirements/*.in; do \
	    .venvs/uv/bin/uv pip compile --quiet --upgrade --universal --python "$$(cat .venvs/interpreter)" --generate-hashes \
	        --no-header --no-annotate $$in --output-file $${in%.in}.txt || exit 1; done

clean: ## Remove everything that was made here
	@if [ -e .local ]; then $(MAKE) --no-print-directory down; fi
	rm -rf .aws-sam .venvs .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venvs/%/ready: sandbox/environment/requirements/%.txt | .venvs/interpreter $(UV)
	@sandbox/environment/environment.sh $*

$(UV): sandbox/environment/requirements/uv.txt
	@sandbox/environment/uv.sh

# Where one has to be fetched, it is fetched once.
.venvs/interpreter: | $(UV)
	@sandbox/environment/interpreter.sh > $@
