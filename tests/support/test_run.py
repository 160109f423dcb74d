"""The kind of the test run: the short one of ``make test``, or the long one of ``make test-full``."""

import os

IS_FULL = os.environ.get("TEST_RUN") == "full"
