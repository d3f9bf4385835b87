# One command each; `make help` lists them. Needs git, make and Python >= 3.11; the rest comes from PyPI.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo local synth lint check test bench bench-init bill grants simulate model fuzz audit sbom deploy destroy lock wheel clean

ENV ?= dev
PORT ?= 4510
# The first of these that is there and new enough.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
PY := .venv/bin/python
# Of CDK's --require-approval: never, any-change or broadening. Left out: broadening on a terminal; elsewhere, where
# nobody could answer, the changes are shown and nothing is asked.
APPROVE ?=
CONFIRM ?=
CDK ?= PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/npx --yes aws-cdk@2.1148.1
export PYTHONDONTWRITEBYTECODE := 1

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: ## Make .venv match requirements/dev.txt
	@test -n "$(PYTHON)" || { echo "Taskyard needs Python 3.11 or newer on the PATH" >&2; exit 1; }
	@$(PYTHON) .ci/setup.py

demo: setup ## Start the local system, run tasks of every kind, show them, stop
	@$(PY) -m local demo

local: setup ## Serve the whole system on http://127.0.0.1:$(PORT) until Ctrl-C
	@$(PY) -m local serve --port $(PORT)

synth: setup ## Write the CloudFormation template of ENV (dev) to cdk.out/
	@$(PY) app.py --env $(ENV)

lint: setup ## Format, lint, types, imports, template checks
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache

test: lint ## Lint, then every test
	@.venv/bin/pytest -n 2 --dist loadgroup

bench: setup ## Costs, throughput, crashes, beside what people use today; a report (QUICK=1, PART=crash, REPORT=docs/benchmarks)
	@$(PY) -m tests.bench $(PART) $(if $(QUICK),--quick) $(if $(REPORT),--report $(REPORT))

bench-init: setup ## Cold start of each function beside bare boto3; write docs/benchmarks-init.md
	@$(PY) -m tests.bench_init

model: setup ## Scale on paper: every rate against its quota (ARGS="--rate 500 …")
	@$(PY) -m tests.model $(ARGS)

bill: setup ## What each environment costs a month while idle
	@$(PY) -m tests.bench.idle

grants: setup ## Remove each grant of each role in turn; a table of which scenario fails without it
	@$(PY) -m tests.grants

simulate: setup ## Run the functions under seeded faults: SEEDS=300, or SEED=n with its schedule
	@$(PY) -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),300)) $(if $(FIRST),--first $(FIRST)) \
		$(if $(REPORT),--report $(REPORT))

fuzz: setup ## CASES (2000) requests made of /openapi.json, through both HTTP APIs of a local system
	@FUZZ_CASES=$(or $(CASES),2000) .venv/bin/pytest -q -s tests/e2e/test_fuzzed_apis.py

audit: setup ## Look the locked packages up in the database of known vulnerabilities (ARGS=--require: fail without it)
	@$(PY) .ci/audit.py $(ARGS)

sbom: setup ## Write CycloneDX JSON of the functions' layer and of the wheel to .build/sbom/
	@$(PY) .ci/sbom.py

check: lint ## Lint, then the tests of the template
	@.venv/bin/pytest -q tests/infra

deploy: check ## Check, then deploy ENV (dev) into the AWS account of the current credentials (APPROVE=never: ask nothing)
	@approve="$(APPROVE)"; \
	if [ -z "$$approve" ]; then if [ -t 0 ] && [ -t 1 ]; then approve=broadening; else approve=never; fi; fi; \
	if [ "$$approve" = never ]; then $(CDK) diff -c env=$(ENV) || exit; fi; \
	$(CDK) deploy --require-approval "$$approve" -c env=$(ENV)

destroy: setup ## Stop what runs in ENV (dev), empty what goes with it, delete its stack (prod: CONFIRM=Taskyard-prod)
	@$(PY) -m infra.teardown --stack Taskyard-$(ENV) --confirm "$(CONFIRM)"
	@$(CDK) destroy --force -c env=$(ENV)

lock: setup ## Write requirements/*.txt anew from *.in
	@$(PY) -m infra.build.requirements

wheel: setup ## Build the wheel into dist/
	@rm -rf dist
	@$(PY) -m hatchling build -t wheel -d dist

clean: ## Remove what the commands made
	@rm -rf .venv dist cdk.out .local .build .pytest_cache .mypy_cache .ruff_cache
