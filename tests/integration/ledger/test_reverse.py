"""Debit reversals once from the credited balance."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest

from paynearme.protocol.signing import string_to_sign
from tests.support.callback_driver import NOON, reversal, send_at, total, unix_time
from tests.support.callback_fixtures import (
    CUSTOMER,
    SITE,
    SITE_OF_2_0,
    SITE_OF_3_0_IN_XML,
    SITES,
    TRANSPORTS,
    authorization,
    confirmation,
    signed,
    site_changes,
)
from tests.support.harness import LambdaFunction, LedgerFixture, SitesSecret
from tests.support.samples import load_sample, sample_names

ORDER = {"pnm_order_identifier": "80080175585"}
ACKNOWLEDGEMENT = {"payment_reversal_response": {"version": "3.0", "reversal": ORDER}}


def balance(amount: str) -> dict[str, Decimal]:
    return {CUSTOMER: Decimal(amount)}


@pytest.fixture
def confirmed_payment(confirm: LambdaFunction) -> None:
    """A payment of 354.99 with a net amount of 350.00."""
    assert confirm(confirmation()).status == 200


@pytest.mark.usefixtures("confirmed_payment")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_reversal_acknowledged_and_debited(
    reverse: LambdaFunction, ledger_table: LedgerFixture, transport: str
) -> None:
    response = reverse(reversal(), TRANSPORTS[transport])

    assert (response.status, response.content) == (200, ACKNOWLEDGEMENT)
    assert ledger_table.balances() == balance("250.00")
    assert ledger_table.anomalies() == set()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("site", [SITE_OF_2_0, SITE_OF_3_0_IN_XML])
def test_reversal_xml_site_acknowledged_in_xml(
    confirm: LambdaFunction, reverse: LambdaFunction, ledger_table: LedgerFixture, site: str, transport: str
) -> None:
    confirm(confirmation(**site_changes(site)))

    response = reverse(reversal(**site_changes(site)), TRANSPORTS[transport])

    assert response.status == 200
    assert response.content_type.startswith("application/xml")
    root = ElementTree.fromstring(response.body)  # noqa: S314 # our own response
    namespace = f"{{http://www.paynearme.com/api/pnm_xmlschema_v{SITES[site]['version'].replace('.', '_')}}}"
    assert (root.tag, root[0].tag) == (f"{namespace}payment_reversal_response", f"{namespace}reversal")
    assert response.fields == ORDER
    assert ledger_table.balances() == balance("250.00")


@pytest.mark.parametrize("site", [SITE, SITE_OF_3_0_IN_XML])
def test_reversal_response_uses_site_envelope_and_element(
    reverse: LambdaFunction, sites_secret: SitesSecret, site: str
) -> None:
    custom_names = {"reverse_envelope": "an_envelope", "reverse_element": "an_element"}
    sites_secret.put({"sites": {**SITES, site: {**SITES[site], **custom_names}}})

    response = reverse(reversal(site_identifier=site))

    assert response.status == 200
    if site == SITE:
        assert response.content == {"an_envelope": {"version": "3.0", "an_element": ORDER}}
    else:
        root = ElementTree.fromstring(response.body)  # noqa: S314 # our own response
        assert (root.tag.partition("}")[2], root[0].tag.partition("}")[2]) == ("an_envelope", "an_element")


@pytest.mark.parametrize("name", sample_names("reversal"))
def test_reversal_sample_messages_debit_balance(
    confirm: LambdaFunction, reverse: LambdaFunction, ledger_table: LedgerFixture, name: str
) -> None:
    message = load_sample("reversal", name)
    reversed_amount = Decimal(message.get("reverse_amount", message["payment_amount"]))
    shared_names = ["site_customer_identifier", "pnm_order_identifier", "pnm_payment_identifier"]
    expected_fields = {name: message[name] for name in [*shared_names, "payment_amount"]}
    confirm(confirmation(**expected_fields, net_payment_amount=message["payment_amount"]))

    response = reverse(signed(message))

    assert response.fields == {"pnm_order_identifier": message["pnm_order_identifier"]}
    assert list(ledger_table.balances().values()) == [Decimal(message["payment_amount"]) - reversed_amount]
    assert ledger_table.anomalies() == set()


@pytest.mark.usefixtures("confirmed_payment")
def test_reversal_duplicates_debit_once_with_same_response(
    reverse: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    timestamps = [NOON, NOON + timedelta(seconds=1), NOON + timedelta(days=40)]
    bodies = {
        send_at(now, reverse, reversal(timestamp=unix_time(now)), transport).body
        for now in timestamps
        for transport in TRANSPORTS.values()
    }

    assert len(bodies) == 1
    assert ledger_table.balances() == balance("250.00")
    assert ledger_table.anomalies() == set()


@pytest.mark.usefixtures("confirmed_payment")
def test_reversal_duplicate_under_new_version_debits_once(
    reverse: LambdaFunction,
    ledger_table: LedgerFixture,
    sites_secret: SitesSecret,
    cold_start: Callable[[str], LambdaFunction],
) -> None:
    reverse(reversal())
    sites_secret.put({"sites": {SITE: {**SITES[SITE], "version": "2.0"}}})

    assert cold_start("reverse")(reversal(version="2.0")).status == 200
    assert ledger_table.balances() == balance("250.00")


BOUNDARY_MOVES: dict[str, tuple[Mapping[str, str | None], Mapping[str, str | None]]] = {
    "type split": ({"reverse_type": "Chargeback"}, {"reverse_type": "Cha", "rgeback": ""}),
    "undocumented parameter shortened": ({"zz": "ab"}, {"zz": None, "zza": "b"}),
    "undocumented parameter extended": ({"zzz": "ab"}, {"zzz": None, "zz": "zab"}),
    "undocumented parameters merged": ({"zy": "1", "zz": "2"}, {"zy": "1zz2", "zz": None}),
}


@pytest.mark.usefixtures("confirmed_payment")
@pytest.mark.parametrize("moved_first", [False, True], ids=["after", "before"])
@pytest.mark.parametrize("boundary_move", BOUNDARY_MOVES)
def test_reversal_boundary_ambiguity_debits_once(
    reverse: LambdaFunction, ledger_table: LedgerFixture, boundary_move: str, moved_first: bool
) -> None:
    extra_fields, changes = BOUNDARY_MOVES[boundary_move]
    original = reversal(**extra_fields)
    merged = {**original, **changes}
    moved_message = {name: value for name, value in merged.items() if value is not None}
    assert string_to_sign(moved_message) == string_to_sign(original)

    first, second = (moved_message, original) if moved_first else (original, moved_message)
    # The moved message can be rejected, but the balance is debited once.
    assert {reverse(first).status, reverse(second).status} <= {200, 400}
    assert reverse(original).status == 200

    assert ledger_table.balances() == balance("250.00")
    year_counts = [item for item in ledger_table.all_items() if item["sk"].startswith("REVERSALS#")]
    assert sum(value for item in year_counts for name, value in item.items() if name[-1].isdigit()) == 1


@pytest.mark.usefixtures("confirmed_payment")
def test_partial_reversals_never_exceed_posted_amount(reverse: LambdaFunction, ledger_table: LedgerFixture) -> None:
    remaining_balances = []
    for code, amount in [("R01", "100.00"), ("R02", "100.00"), ("R02", "150.00"), ("R03", "4.99")]:
        reverse(reversal(reverse_code=code, reverse_amount=amount))
        remaining_balances.append(ledger_table.balances()[CUSTOMER])

    assert remaining_balances == [Decimal("250.00"), Decimal("150.00"), 0, 0]
    assert ledger_table.anomalies() == set()
    assert ledger_table.payment()["posted_amount"] == Decimal("350.00")


@pytest.mark.usefixtures("confirmed_payment")
@pytest.mark.parametrize("changes", [{"payment_arn": "2"}, {"reverse_date": "2"}, {"reverse_reason": "2"}])
def test_reversals_with_different_fields_both_debited(
    reverse: LambdaFunction, ledger_table: LedgerFixture, changes: dict[str, str]
) -> None:
    reverse(reversal(**dict.fromkeys(changes, "1")))
    reverse(reversal(**changes))

    assert ledger_table.balances() == balance("150.00")


@pytest.mark.usefixtures("confirmed_payment")
@pytest.mark.parametrize(
    ("changes", "remaining"),
    [
        ({"reverse_amount": "354.99"}, "0"),
        ({"reverse_amount": None, "reverse_currency": None}, "0"),
        ({"reverse_amount": "350.00"}, "0"),
        ({"reverse_amount": "349.99"}, "0.01"),
        ({"reverse_currency": None}, "250.00"),
    ],
    ids=["paid amount", "no amount", "posted amount", "a cent less", "no currency"],
)
def test_reversal_debit_limited_to_posted_amount(
    reverse: LambdaFunction, ledger_table: LedgerFixture, changes: dict[str, Any], remaining: str
) -> None:
    assert reverse(reversal(**changes)).status == 200

    assert ledger_table.balances() == balance(remaining)
    assert ledger_table.anomalies() == set()


@pytest.mark.usefixtures("confirmed_payment")
@pytest.mark.parametrize("parts", [["355.00"], ["354.99", "0.01"], ["200.00", "100.00", "55.00"]], ids=str)
def test_reversals_above_paid_amount_flagged_and_capped(
    reverse: LambdaFunction, ledger_table: LedgerFixture, parts: list[str]
) -> None:
    for amount in parts[:-1]:
        reverse(reversal(reverse_amount=amount))
    assert ledger_table.anomalies() == set()

    assert reverse(reversal(reverse_amount=parts[-1])).content == ACKNOWLEDGEMENT

    assert ledger_table.balances() == balance("0")
    assert ledger_table.anomalies() == {"reversed_too_much"}


@pytest.mark.usefixtures("confirmed_payment")
def test_reversal_keeps_other_payments_of_customer(
    confirm: LambdaFunction, reverse: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    confirm(confirmation(pnm_payment_identifier="2"))

    reverse(reversal(reverse_amount="500.00"))

    assert ledger_table.balances() == balance("350.00")


def test_reversal_keeps_spending(
    authorize: LambdaFunction, confirm: LambdaFunction, reverse: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    send_at(NOON, authorize, authorization(timestamp=unix_time(NOON)))
    send_at(NOON, confirm, confirmation())

    send_at(NOON, reverse, reversal(reverse_amount="354.99"))

    windows = [item for item in ledger_table.all_items() if item["pk"].startswith("SPENDING#")]
    assert {item["sk"]: item["spent"] for item in windows} == total("354.99")


@pytest.mark.usefixtures("confirmed_payment")
@pytest.mark.parametrize(
    ("changes", "anomalies"),
    [
        ({"site_customer_identifier": "another"}, {"customer_differs"}),
        ({"pnm_order_identifier": "1"}, {"order_differs"}),
        ({"site_customer_identifier": None}, set()),
    ],
    ids=["customer", "order", "no customer"],
)
def test_reversal_mismatch_debits_credited_customer(
    reverse: LambdaFunction, ledger_table: LedgerFixture, changes: dict[str, Any], anomalies: set[str]
) -> None:
    assert reverse(reversal(**changes)).status == 200

    assert ledger_table.balances() == balance("250.00")
    assert ledger_table.anomalies() == anomalies


@pytest.mark.usefixtures("confirmed_payment")
@pytest.mark.parametrize("payment", [None, "before", "after"])
def test_reversal_test_stored_separately_and_debits_nothing(
    confirm: LambdaFunction, reverse: LambdaFunction, ledger_table: LedgerFixture, payment: str | None
) -> None:
    items_before = ledger_table.all_items()
    if payment == "before":
        confirm(confirmation(test="true"))

    bodies = {reverse(reversal(test="true", reverse_type="Chargeback")).body for _ in range(2)}
    if payment == "after":
        confirm(confirmation(test="true"))

    assert len(bodies) == 1
    assert [item for item in ledger_table.all_items() if not item["pk"].startswith("TEST#")] == items_before
    [test_item] = [item for item in ledger_table.payments() if item["test"]]
    assert test_item["reversed_amount"] == Decimal("100.00")
    assert not test_item.get("debited_amount")
