# Build the layer for PLATFORM on any machine, from wheels that match the hashes in requirements.txt.
# SAM's builder for Python checks no hash of a wheel for another architecture than the machine's.
# docs/adr/0021-ship-compiled-libraries.md has the reasons.
RUNTIME_VERSION := 3.13
PYTHON ?= python$(RUNTIME_VERSION)
ROOT := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/../../..)
WHEELS := $(ROOT)/.aws-sam/wheels/$(PLATFORM)
LAYER = $(ARTIFACTS_DIR)/python
DOWNLOAD := $(PYTHON) -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps \
    --only-binary=:all: --platform $(PLATFORM) --implementation cp --python-version $(RUNTIME_VERSION) \
    --requirement requirements.txt
CHECK_VERSION := import sys; sys.version_info[:2] == tuple(map(int, "$(RUNTIME_VERSION)".split("."))) \
    or sys.exit("The layer requires Python $(RUNTIME_VERSION), the version of the Lambda runtime. PYTHON is " \
    + sys.version.split()[0])
# Python does not compare hash-based bytecode with a source file. The names of files are those of the Lambda runtime.
COMPILE := $(PYTHON) -m compileall -q -j 0 -o 0 --invalidation-mode unchecked-hash -s "$(LAYER)" -p /opt/python

# The machine's settings must not change the bytecode or its folder.
unexport PYTHONNODEBUGRANGES PYTHONPYCACHEPREFIX

# No function imports these parts, which have 45 % of the bytecode of all libraries. An unknown path stops the build.
# They are the plug-in of a type checker, pydantic 1, OAuth 1, and Powertools' routers, event types and utilities.
EXCLUDED := pydantic/mypy.py pydantic/v1 oauthlib/oauth1 aws_lambda_powertools/event_handler \
    $(addprefix aws_lambda_powertools/utilities/, auth_alpha batch circuit_breaker data_classes data_masking \
        feature_flags idempotency kafka metadata parameters parser streaming validation)

.PHONY: build-SharedLayer check-version

# SAM runs this in a copy of layers/shared, and sets ARTIFACTS_DIR.
build-SharedLayer: $(WHEELS)/complete | check-version
	@# Without a network. This verifies the hashes of the cached wheels too.
	$(DOWNLOAD) --no-index --find-links $(WHEELS) --dest wheels
	@# An installation would add files that depend on the machine.
	for wheel in wheels/*.whl; do $(PYTHON) -m zipfile -e "$$wheel" "$(LAYER)" || exit 1; done
	cd "$(LAYER)" && rm -r $(EXCLUDED)
	@# The libraries have bytecode only, in place of the sources. RECORD would list the sources.
	$(COMPILE) -b "$(LAYER)"
	find "$(LAYER)" \( -name '*.py' -o -name '*.pyi' -o -name py.typed -o -name RECORD \) -exec rm {} +
	@# Tracebacks contain the lines of this project.
	cp -R paynearme "$(LAYER)"
	find "$(LAYER)" -name __pycache__ -prune -exec rm -rf {} +
	$(COMPILE) "$(LAYER)/paynearme"

$(WHEELS)/complete: $(ROOT)/layers/shared/requirements.txt | check-version
	rm -rf $(WHEELS)
	$(DOWNLOAD) --dest $(WHEELS)
	touch $@

check-version:
	@$(PYTHON) -c '$(CHECK_VERSION)'
