# Build the layer for PLATFORM on any machine, from wheels that match the hashes in requirements.txt.
# SAM's builder for Python checks no hash of a wheel for another architecture than the machine's.
PYTHON ?= python3.13
ROOT := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/../../..)
WHEELS := $(ROOT)/.aws-sam/wheels/$(PLATFORM)
DOWNLOAD := $(PYTHON) -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps \
    --only-binary=:all: --platform $(PLATFORM) --implementation cp --python-version 3.13 --requirement requirements.txt

.PHONY: build-SharedLayer

# SAM runs this in a copy of layers/shared, and sets ARTIFACTS_DIR.
build-SharedLayer: $(WHEELS)/complete
	@# Without a network. This verifies the hashes of the cached wheels too.
	$(DOWNLOAD) --no-index --find-links $(WHEELS) --dest wheels
	@# An installation would add files that depend on the machine.
	for wheel in wheels/*.whl; do $(PYTHON) -m zipfile -e "$$wheel" "$(ARTIFACTS_DIR)/python" || exit 1; done
	cp -R paynearme "$(ARTIFACTS_DIR)/python"
	find "$(ARTIFACTS_DIR)/python" -name __pycache__ -prune -exec rm -rf {} +

$(WHEELS)/complete: $(ROOT)/layers/shared/requirements.txt
	rm -rf $(WHEELS)
	$(DOWNLOAD) --dest $(WHEELS)
	touch $@
