# Each target creates the environments that it needs, and again when their requirements change.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

ENV ?= dev
export SAM_CLI_TELEMETRY := 0
# As pip does: a proxy can have its own certificate.
export UV_SYSTEM_CERTS := 1
# The plotting library would write its cache to the home directory.
export MPLCONFIGDIR := $(CURDIR)/.venvs/matplotlib
export PYTHONPATH := $(CURDIR):$(CURDIR)/layers/shared

ENVIRONMENT := sandbox/environment
DEV := .venvs/dev/ready
AWS := .venvs/aws/ready
SAM := .venvs/sam/ready
AWS_CHECKS := .venvs/aws-checks/ready
UV := .venvs/uv/ready
PY := .venvs/dev/bin/python
SAM_CLI := .venvs/sam/bin/sam
PARALLEL := --numprocesses auto --dist worksteal
SOURCES := layers functions operations sandbox tests benchmarks

.PHONY: help demo up down dashboard test check-and-unit test-full mutation unit coverage e2e check format format-check lint typecheck imports prose
.PHONY: generate dashboard-body event-schemas openapi validate-template aws-checks policy-check sites-check bench build deploy policy-deploy policy-show policy-revert dlq-redrive quarantine versions-prune lock clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / {printf "%-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(DEV) $(AWS) $(SAM) ## Build, deploy onto a local AWS, run payments as PayNearMe would, and print each step
	@$(PY) -m sandbox demo

up: $(DEV) $(AWS) $(SAM) ## Start the local stack, or deploy changes onto the running one
	@$(PY) -m sandbox up

down: $(DEV) ## Stop the local stack and remove its files
	@$(PY) -m sandbox down

dashboard: $(DEV) $(AWS) $(SAM) ## Draw docs/dashboard.png from the running stack, or from a temporary one
	@$(PY) -m sandbox dashboard

test: ## Run all checks and the tests of the short run, at most 5 minutes on two cores
	@$(MAKE) --no-print-directory --jobs 3 $(DEV) $(AWS) $(SAM)
	@$(MAKE) --no-print-directory --jobs 2 --keep-going --output-sync=target e2e check-and-unit

# One core runs the end-to-end tests, the other core runs everything else.
check-and-unit: check
	$(PY) -m pytest tests/unit tests/integration

test-full: $(DEV) $(AWS) $(SAM) $(AWS_CHECKS) ## Run the long proofs, at most 60 minutes: make test-full, or make test-full ONLY="e2e simulation"
	$(PY) -m tests.full_run $(ONLY)

mutation: $(DEV) ## Apply the sample of mutants, and show which the tests do not find (about an hour)
	$(PY) -m tests.mutation

unit: $(DEV) ## Run the unit and integration tests
	$(PY) -m pytest $(PARALLEL) tests/unit tests/integration

coverage: $(DEV) ## Run the unit and integration tests with branch coverage
	$(PY) -m pytest $(PARALLEL) tests/unit tests/integration --cov --cov-branch

e2e: $(DEV) $(AWS) $(SAM) ## Run the end-to-end tests on a deployed local stack
	$(PY) -m pytest tests/e2e -p no:randomly

check: format-check lint typecheck imports prose validate-template policy-check ## Run all static checks

format: $(DEV) ## Format the Python code
	$(PY) -m ruff check --select I --fix --quiet $(SOURCES)
	$(PY) -m ruff format $(SOURCES)

format-check: $(DEV) ## Check the format
	$(PY) -m ruff format --check $(SOURCES)

lint: $(DEV) ## Lint the Python code
	$(PY) -m ruff check $(SOURCES)

typecheck: $(DEV) ## Check the types, strictly
	$(PY) -m mypy

imports: $(DEV) ## Check the import layers
	.venvs/dev/bin/lint-imports

prose: $(DEV) ## Check spelling and vocabulary
	.venvs/dev/bin/codespell

generate: dashboard-body event-schemas openapi ## Write all generated texts: dashboard, event schemas, OpenAPI document

dashboard-body: $(DEV) ## Write the dashboard to template.yaml
	$(PY) -m operations dashboard-body

event-schemas: $(DEV) ## Write the JSON Schemas of the events to docs/events
	$(PY) -m operations events schemas

openapi: $(DEV) ## Write the OpenAPI document of the backend API to docs/openapi.json
	$(PY) -m operations openapi

validate-template: $(SAM) ## Validate and lint template.yaml
	$(SAM_CLI) validate --lint --region us-east-1

aws-checks: $(DEV) $(SAM) $(AWS_CHECKS) ## Check the expanded template with cfn-lint, checkov and parliament
	$(PY) -m tests.aws_checks

policy-check: $(DEV) ## Validate policy.json and the examples in docs/policies
	$(PY) -m operations policy check policy.json docs/policies/*.json

sites-check: $(DEV) ## Validate the sites before you upload them: make sites-check FILE=sites.json
	@$(PY) -m operations sites-check $(if $(FILE),"$(FILE)")

bench: $(DEV) ## Measure the callbacks, compared with peers (after make up): make bench, or make bench ONLY="warm calls"
	@$(PY) -m benchmarks $(ONLY)

build: $(DEV) $(SAM) ## Build the artifacts for AWS: make build ENV=prod
	@# SAM builds with the python3.13 on the path.
	PATH="$(CURDIR)/.venvs/dev/bin:$$PATH" $(SAM_CLI) build --config-env $(ENV)

deploy: build ## Deploy to AWS with your credentials, and delete superseded function versions: make deploy ENV=prod
	$(if $(filter local,$(ENV)),$(error 'make up' deploys the local stack; use ENV=dev or ENV=prod))
	$(SAM_CLI) deploy --config-env $(ENV)
	@$(PY) -m operations versions prune --config-env $(ENV)

policy-deploy: $(DEV) ## Deploy policy.json: make policy-deploy ENV=prod, or ENV=local after make up
	@$(PY) -m operations policy deploy --config-env $(ENV)

policy-show: $(DEV) ## Show the active policy and the differences to policy.json: make policy-show ENV=prod
	@$(PY) -m operations policy show --config-env $(ENV)

policy-revert: $(DEV) ## Stop the policy deployment in progress, or redeploy the previous policy: make policy-revert ENV=prod
	@$(PY) -m operations policy revert --config-env $(ENV)

dlq-redrive: $(DEV) ## Publish the records of the dead-letter queue again: make dlq-redrive ENV=prod, or ENV=local
	@$(PY) -m operations events redrive --config-env $(ENV)

quarantine: $(DEV) ## List, replay or discard quarantined callbacks: make quarantine ENV=prod ARGS="discard ID --why 'duplicate'"
	@$(PY) -m operations quarantine $(or $(ARGS),list) --config-env $(ENV)

versions-prune: $(DEV) ## Delete superseded function versions: make versions-prune ENV=prod, or with OPTIONS="--dry-run --keep 3"
	@$(PY) -m operations versions prune --config-env $(ENV) $(OPTIONS)

lock: $(UV) | .venvs/interpreter ## Update and pin all requirements
	@for in in layers/shared/requirements.in $(ENVIRONMENT)/requirements/*.in; do \
	    .venvs/uv/bin/uv pip compile --quiet --upgrade --universal --python "$$(cat .venvs/interpreter)" --generate-hashes \
	        --no-header --no-annotate $$in --output-file $${in%.in}.txt || exit 1; done

clean: ## Stop the local stack, and remove all generated files
	@if [ -e .local ] || [ -e $(DEV) ]; then $(MAKE) --no-print-directory down; fi
	rm -rf .aws-sam .venvs .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venvs/%/ready: $(ENVIRONMENT)/requirements/%.txt | .venvs/interpreter $(UV)
	@$(ENVIRONMENT)/environment.sh $*

$(UV): $(ENVIRONMENT)/requirements/uv.txt
	@$(ENVIRONMENT)/uv.sh

# A Python that has to be downloaded is downloaded once.
.venvs/interpreter: | $(UV)
	@$(ENVIRONMENT)/interpreter.sh > $@
