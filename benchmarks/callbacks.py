"""Measure each step of a callback in a warm function, as a ratio to the minimum cost of any callback.

``make bench`` runs this module. Compare only ratios: the microseconds depend on the machine.
"""

import json
import os
import time
import timeit
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table as OutputTable

from paynearme.ledger.authorization import authorize
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Table
from paynearme.platform.http_request import from_body
from paynearme.platform.settings import Settings
from paynearme.policy import read_policy
from paynearme.protocol.callbacks import Authorization, AuthorizationResponse
from paynearme.protocol.parsing import read_message
from paynearme.protocol.signing import UNSIGNED, sign, verify
from paynearme.sites.site_provider import SiteProvider
from sandbox.clients.sample_messages import api_gateway_event, load
from sandbox.fake_paynearme.messages import signed

BASELINE = "minimum: JSON, HMAC, response"
_SECRET = "a-secret-of-the-benchmark"  # noqa: S105 # a test secret
_ROUNDS, _CALLS = 7, 300


class _SecretsManagerStub:
    """Return one site, without a network."""

    def get_secret_value(self, **request: str) -> dict[str, str]:
        sites = {"S2155373459": {"version": "3.0", "secret": _SECRET}}
        return {"SecretString": json.dumps({"sites": sites})}


class _DynamoDbStub:
    """Return no items and accept every write, without a network."""

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        return {"Responses": {"payments": []}, "UnprocessedKeys": {}}

    def transact_write_items(self, **request: Any) -> dict[str, Any]:
        return {}


def _steps() -> dict[str, Callable[[], object]]:
    # The logger writes to the standard output of its import, so the import follows the redirection.
    from paynearme.handlers.callback import Callback, callback_handler

    settings = Settings(sites_secret="sites", table_name="payments")  # noqa: S106 # a name
    sites = SiteProvider(settings, cast(Any, _SecretsManagerStub()))
    table = Table("payments", cast(Any, _DynamoDbStub()))
    message = signed(load("authorization")["credit"], _SECRET, timestamp=int(time.time()))
    event = api_gateway_event(message, "json", base64_encoded=True)
    body = json.dumps(message)
    unsigned = {name: value for name, value in message.items() if name not in UNSIGNED}
    authorization = read_message(Authorization, unsigned)
    policy = read_policy(Path("policy.json").read_text(encoding="utf-8")).defaults
    now = datetime.now(UTC)

    @callback_handler("authorize", Authorization, settings, sites, table)
    def handler(callback: Callback[Authorization]) -> AuthorizationResponse:
        result = authorize(table, callback.message, policy, callback.received_at, callback.deadline)
        return result.to_response(callback.message.pnm_order_identifier)

    def baseline() -> object:
        return json.dumps({"accept": sign(json.loads(body), _SECRET) == message["signature"]})

    def total() -> object:
        response = handler(event, None)
        if response["statusCode"] != 200:
            raise RuntimeError("the callback was rejected")
        return response

    return {
        BASELINE: baseline,
        "parse the parameters": lambda: from_body(event),
        "verify the signature": lambda: verify(message, message["signature"], [_SECRET]),
        "validate the message": lambda: read_message(Authorization, unsigned),
        "decide and store, without network": lambda: authorize(table, authorization, policy, now, Deadline.after(6.5)),
        "total: callback, log and metrics": total,
    }


def main() -> None:
    """Measure each step, and print the minimum of several rounds."""
    seconds: dict[str, float] = {}
    # The log line and the metrics line are part of the cost, but not of the output.
    with open(os.devnull, "w") as null_output, redirect_stdout(null_output):  # noqa: PTH123 # the null device
        for name, step in _steps().items():
            step()
            seconds[name] = min(timeit.repeat(step, number=_CALLS, repeat=_ROUNDS)) / _CALLS
    baseline = seconds[BASELINE]
    table = OutputTable("step", "µs", "ratio to the minimum", box=None, padding=(0, 2))
    for name, value in seconds.items():
        table.add_row(name, f"{value * 1e6:.0f}", f"{value / baseline:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
