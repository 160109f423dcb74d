"""Each authentic callback is answered, posted at most once, and found in the ledger or in the quarantine."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paynearme.errors import UnknownSiteError
from paynearme.handlers.callback import callback_handler
from paynearme.ledger import schema
from paynearme.platform.dynamodb import Item, Table
from paynearme.policy import DEFAULT_TEXTS
from paynearme.protocol.callbacks import Authorization, Confirmation, fingerprint
from paynearme.protocol.quarantine import STORED_PARAMETERS, order_identifier
from paynearme.protocol.reversals import Reversal
from paynearme.protocol.signing import UNSIGNED, major_version, sign
from tests.simulation.search import quiet_logs
from tests.simulation.store import Store
from tests.support.api_gateway_events import form_event, json_event, query_event
from tests.support.callback_driver import NOON, unix_time
from tests.support.harness import LambdaFunction
from tests.support.message_fixtures import (
    SECRET,
    resolved_site,
    valid_authorization,
    valid_confirmation,
    valid_reversal,
)
from tests.support.policy_builders import policy as accepting_policy
from tests.support.test_run import IS_FULL

MODELS: Mapping[str, Any] = {"authorize": Authorization, "confirm": Confirmation, "reverse": Reversal}
MESSAGES = {"authorize": valid_authorization(), "confirm": valid_confirmation(), "reverse": valid_reversal()}

names = st.sampled_from(
    sorted({name for model in MODELS.values() for name in model.model_fields} | STORED_PARAMETERS)
) | st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True).filter(lambda name: name not in UNSIGNED)
values = (
    st.none()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    | st.sampled_from(
        [
            *(
                "",
                "60.00",
                "-60.00",
                "60",
                "0.00",
                "1e3",
                "60.001",
                "USD",
                "CAD",
                "usd",
                "payment",
                "Payment ",
                "decline",
            ),
            *("void", "credit", "push-debit", "ach_push", "pin4", "true", "false", "True", "Chargeback", "R01"),
            *("Bank Return", "Chargeback Reversed", "App version3.0", "testtrue", "statuspayment", "site_x", "c" * 300),
            *(unix_time(NOON), f"{unix_time(NOON)}123", f"{unix_time(NOON)}.5", "1", "2026-11-20T17:00:00Z"),
            *("830466818968", "80080175585", "payment_amount9.00", "pnm_order_identifier1", "x" * 65),
        ]
    )
)
changes = st.dictionaries(names, values | st.just(...), max_size=6)
versions = st.sampled_from(["3.0"] * 6 + ["3", "3.1", "2.0", "4.0", ""])


@pytest.fixture
def deliver(
    authorize: LambdaFunction, confirm: LambdaFunction, reverse: LambdaFunction, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Store, str, dict[str, Any]], int]:
    """Send an event to one of the functions, with a table in memory. Return the status of the response."""
    policy = accepting_policy()
    policies = SimpleNamespace(
        get=lambda *_: policy, get_if_available=lambda *_: policy, cached_text=lambda _, reason: DEFAULT_TEXTS[reason]
    )
    apps = {"authorize": authorize.app, "confirm": confirm.app, "reverse": reverse.app}
    sites: Any = SimpleNamespace(get=_get_site, refresh=lambda _: False)

    def deliver(store: Store, endpoint: str, event: dict[str, Any]) -> int:
        app, table = apps[endpoint], Table("payments", store)  # type: ignore[arg-type] # the store has the used methods
        monkeypatch.setattr(app, "table", table)
        monkeypatch.setattr(app, "policies", policies, raising=False)
        responses = {name: getattr(app, name) for name in ("acknowledge", "decline") if hasattr(app, name)}
        model = MODELS[endpoint]
        decorate = callback_handler(endpoint, model, app.settings, sites, table, clock=lambda: NOON, **responses)
        status: int = decorate(app.handler.__wrapped__)(event, None)["statusCode"]
        return status

    return deliver


def _get_site(identifier: str | None, _: object) -> Any:
    if identifier != resolved_site().identifier:
        raise UnknownSiteError
    return resolved_site()


def build(
    base: Mapping[str, str],
    changes: Mapping[str, Any],
    version: str,
    secret: str,
    *,
    with_nulls: bool,
    nulls_signed: bool,
) -> dict[str, str | None]:
    """Return the signed parameters of a message. ``...`` removes a parameter."""
    merged = {"timestamp": unix_time(NOON), **base, **changes}
    merged |= {"site_identifier": base["site_identifier"], "version": version}
    message = {name: value for name, value in merged.items() if value is not ... and (with_nulls or value is not None)}
    text = {name: value or "" for name, value in message.items() if value is not None or nulls_signed}
    return message | {"signature": sign(text, secret, version if major_version(version) else "3.0")}


def is_found(store: Store, endpoint: str, parameters: Mapping[str, str]) -> bool:
    """Return whether the quarantine has the callback, or the payment has its effect."""
    site_id = parameters["site_identifier"]
    if schema.quarantine_key(site_id, fingerprint(parameters)) in store.items:
        return True
    identifier = parameters.get("pnm_payment_identifier", "")
    key = schema.payment_key(site_id, identifier, test=parameters.get("test") == "true")
    payment: Item = store.items.get(key, {})
    effect = {"authorize": "decision", "confirm": "outcome", "reverse": f"reversal_{fingerprint(parameters)[:12]}"}
    return effect[endpoint] in payment


def posted(store: Store) -> dict[Any, Decimal]:
    return {key: item["balance"] for key, item in store.items.items() if "balance" in item}


@pytest.mark.parametrize("endpoint", MODELS)
@settings(max_examples=5000 if IS_FULL else 70, suppress_health_check=list(HealthCheck))
@given(
    message=st.sampled_from(sorted(MESSAGES)),
    changes=changes,
    version=versions,
    transport=st.sampled_from([json_event, form_event, query_event]),
    nulls_signed=st.booleans(),
    is_authentic=st.sampled_from([True, True, True, True, False]),
)
def test_callback_answered_posted_once_and_found(
    deliver: Callable[[Store, str, dict[str, Any]], int],
    endpoint: str,
    message: str,
    changes: dict[str, Any],
    version: str,
    transport: Callable[..., dict[str, Any]],
    nulls_signed: bool,
    is_authentic: bool,
) -> None:
    with_nulls = transport is json_event
    secret = SECRET if is_authentic else "another key"
    received = build(MESSAGES[message], changes, version, secret, with_nulls=with_nulls, nulls_signed=nulls_signed)
    event = transport(received.items() if transport is query_event else received)
    parameters = {name: value or "" for name, value in received.items() if value is not None or nulls_signed}
    del parameters["signature"]
    store = Store(lambda: NOON.timestamp())
    with quiet_logs():
        status = deliver(store, endpoint, event)
        first = posted(store)
        repeated_status = deliver(store, endpoint, event)

    if not is_authentic or version not in ("3.0", "3", "3.1"):
        assert status in (400, 401)
        assert store.items == {}
        return
    assert status == repeated_status == (200 if order_identifier(parameters) else 400)
    assert is_found(store, endpoint, parameters)
    assert posted(store) == first
    assert sum(map(abs, first.values())) <= (Decimal(parameters["net_payment_amount"]) if first else 0)
