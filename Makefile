# Every target sets up what it needs by itself and says what it does; `make help` lists them.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
CLIENT := packages/taskaction-client
SOURCES := operator packages tests hack benchmarks
GENERATED := crds $(CLIENT)/src/taskaction_client/failures.py $(CLIENT)/src/taskaction_client/types docs/reference charts/taskaction-operator/files/rights charts/taskaction-operator/README.md charts/taskaction-operator/values.schema.json
PYTEST := $(BIN)/python -m pytest
SIDE_BY_SIDE := -n auto --dist loadfile --no-loadscope-reorder
NO_ENDURANCE := -m "not endurance"
SITE := NO_MKDOCS_2_WARNING=1 PYTHONPATH=hack $(BIN)/mkdocs
RELEASE := PYTHONPATH=hack $(BIN)/python -m release
LOCAL := PYTHONPATH=hack $(BIN)/python -m local

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help docs docs-serve chart image wheel release release-notes changelog push-image push-chart workflows up demo down fmt lint type test test-unit test-integration test-e2e test-endurance programs generate lock update-dependencies verify verify-generated verify-dependencies bench fuzz

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Daily work

up: $(INSTALLED) ## Start a cluster and the operator, print the KUBECONFIG line to paste
	@$(LOCAL) up

demo: $(INSTALLED) ## Run every example on a real cluster, follow it to its end, show the result
	@$(LOCAL) demo

down: $(INSTALLED) ## End what `make up` has started (KEEP=1 keeps the cluster's state)
	@$(LOCAL) down $(if $(KEEP),--keep)

##@ Code

fmt: $(INSTALLED) ## Format the code
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix --select I $(SOURCES)

lint: $(INSTALLED) ## Check format, style and the direction of imports
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/lint-imports
	$(BIN)/lint-imports --config $(CLIENT)/pyproject.toml
	@test ! -e operator/__init__.py || { echo "error: operator/__init__.py would shadow the standard library's operator: remove it"; exit 1; }

type: $(INSTALLED) ## Check the types
	$(BIN)/mypy
	MYPYPATH=operator:$(CLIENT)/src:hack:tests:. $(BIN)/mypy --follow-imports=silent benchmarks

generate: $(INSTALLED) ## Write CRDs, reference pages and the chart's roles from the code
	$(BIN)/python -m taskaction.crdgen
	@PYTHONPATH=hack $(BIN)/python -m docsite.generated
	@PYTHONPATH=hack $(BIN)/python -m chart.generated

lock: $(INSTALLED) ## Pin by their hashes what pyproject.toml and hack/requirements/build.in require now
	@PYTHONPATH=hack $(BIN)/python -m dependencies lock

update-dependencies: $(INSTALLED) ## Pin the newest packages that pyproject.toml allows, and the present digest of the image's base
	@PYTHONPATH=hack $(BIN)/python -m dependencies update

workflows: $(INSTALLED) ## Check the workflow files of the code host: their schema, and what is unsafe in them
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/zizmor --offline --quiet --pedantic --no-progress .github

verify: lint type verify-generated verify-dependencies docs workflows ## Check everything that needs no test run

verify-dependencies: $(INSTALLED)
	@PYTHONPATH=hack $(BIN)/python -m dependencies check

verify-generated: generate
	@git diff --exit-code --stat -- $(GENERATED) && test -z "$$(git ls-files --others --exclude-standard -- $(GENERATED))" || \
	  { git ls-files --others --exclude-standard -- $(GENERATED); echo "error: generated files differ from the models: run make generate and add them"; exit 1; }

##@ Documents

docs: $(INSTALLED) ## Build the site into dist/site; a dead link, anchor or diagram fails
	@$(SITE) build --quiet && echo "docs: dist/site/index.html"

docs-serve: $(INSTALLED) ## Show the site at http://127.0.0.1:8000, built anew while you write
	@$(SITE) serve --no-strict --watch README.md --watch CHANGELOG.md --watch examples

##@ Shipping

image: $(INSTALLED) ## Build the operator's image into dist/, with Docker or without a daemon
	@PYTHONPATH=hack $(BIN)/python -m image

chart: $(INSTALLED) ## Check the Helm chart and pack it into dist/
	@PYTHONPATH=hack $(BIN)/python -m chart

wheel: $(INSTALLED) ## Build wheels and source archives of operator and client into dist/
	@$(RELEASE) wheel

release: $(INSTALLED) ## Build what a release ships into dist/: wheel, chart, their sums; the version is that of the tag
	@$(RELEASE) check
	@$(MAKE) wheel chart
	@$(RELEASE) sums

release-notes: $(INSTALLED) ## Print the notes of the release that is checked out, or those of the next one
	@$(RELEASE) notes

changelog: $(INSTALLED) ## Move the fragments of changelog.d into CHANGELOG.md: make changelog VERSION=1.2.3
	@test -n "$(VERSION)" || { echo "error: VERSION is missing: make changelog VERSION=1.2.3"; exit 1; }
	@$(RELEASE) collect $(VERSION)

push-image: $(INSTALLED) ## Build the image for all platforms and push it: make push-image REPOSITORY=registry/owner/name
	@$(RELEASE) push-image $(REPOSITORY)

push-chart: $(INSTALLED) ## Pack the chart and push it: make push-chart REPOSITORY=oci://registry/owner/charts
	@PYTHONPATH=hack $(BIN)/python -m chart $(REPOSITORY)

##@ Tests

test: test-unit programs ## Run all tests except the endurance tests
	$(PYTEST) $(SIDE_BY_SIDE) $(NO_ENDURANCE) tests/contract tests/integration tests/e2e

test-unit: $(INSTALLED) ## Run the tests that need no cluster
	$(PYTEST) -n logical --dist worksteal tests/unit

test-integration: programs ## Run the tests on a real API server
	$(PYTEST) $(SIDE_BY_SIDE) $(NO_ENDURANCE) tests/contract tests/integration

test-endurance: programs ## Run the long tests that break things under load, on a real API server
	$(PYTEST) $(SIDE_BY_SIDE) -m endurance tests/integration

test-e2e: programs ## Run every example as a test
	$(PYTEST) tests/e2e

fuzz: $(INSTALLED) ## Feed what reads users' input with mutations of its corpus (TARGET=name, SECONDS=600)
	$(BIN)/pip install --quiet --require-hashes --requirement=hack/requirements/fuzz.txt
	for target in $(or $(TARGET),webhook rpc definition expression schema manifests cron); do PYTHONPATH=hack:tests:operator $(BIN)/python -m fuzz $$target -max_total_time=$(or $(SECONDS),600) || exit 1; done

bench: programs ## Measure (ONLY=name,... for some), write .bench/latest.json
	PYTHONPATH=.:hack:tests $(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

programs: $(INSTALLED)
	@PYTHONPATH=hack $(BIN)/python -m cluster

$(INSTALLED): pyproject.toml $(CLIENT)/pyproject.toml hack/requirements/dev.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: there is no $(PYTHON): install Python 3.11 or newer, or name it: make PYTHON=..."; exit 1; }
	@$(PYTHON) hack/bootstrap.py
	@touch $@
