"""Money that comes back: taken off the balance that it was posted to, once."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest

from paynearme.signing import string_to_sign
from tests.documents import documented, names_of
from tests.integration.observed import Function, Stored, StoredSites
from tests.integration.payments_over_time import NOON, at, in_all, reversal, sent
from tests.integration.signed_callbacks import (
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

ORDER = {"pnm_order_identifier": "80080175585"}
ACKNOWLEDGED = {"payment_reversal_response": {"version": "3.0", "reversal": ORDER}}


def balance(amount: str) -> dict[str, Decimal]:
    return {CUSTOMER: Decimal(amount)}


@pytest.fixture
def paid(confirm: Function) -> None:
    """354.99 were paid, of which 350.00 were posted."""
    assert confirm(confirmation()).status == 200


@pytest.mark.usefixtures("paid")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_reversal_is_acknowledged_and_taken_off_the_balance(
    reverse: Function, stored: Stored, transport: str
) -> None:
    answer = reverse(reversal(), TRANSPORTS[transport])

    assert (answer.status, answer.content) == (200, ACKNOWLEDGED)
    assert stored.balances() == balance("250.00")
    assert stored.anomalies() == set()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("site", [SITE_OF_2_0, SITE_OF_3_0_IN_XML])
def test_a_site_in_xml_gets_its_acknowledgement_in_xml(
    confirm: Function, reverse: Function, stored: Stored, site: str, transport: str
) -> None:
    confirm(confirmation(**site_changes(site)))

    answer = reverse(reversal(**site_changes(site)), TRANSPORTS[transport])

    assert answer.status == 200
    assert answer.content_type.startswith("application/xml")
    root = ElementTree.fromstring(answer.body)  # noqa: S314 # our own answer
    namespace = f"{{http://www.paynearme.com/api/pnm_xmlschema_v{SITES[site]['version'].replace('.', '_')}}}"
    assert (root.tag, root[0].tag) == (f"{namespace}payment_reversal_response", f"{namespace}reversal")
    assert answer.fields == ORDER
    assert stored.balances() == balance("250.00")


@pytest.mark.parametrize("site", [SITE, SITE_OF_3_0_IN_XML])
def test_the_names_around_the_acknowledgement_are_the_sites(
    reverse: Function, stored_sites: StoredSites, site: str
) -> None:
    own = {"reverse_envelope": "an_envelope", "reverse_element": "a_part"}
    stored_sites.put({"sites": {**SITES, site: {**SITES[site], **own}}})

    answer = reverse(reversal(site_identifier=site))

    assert answer.status == 200
    if site == SITE:
        assert answer.content == {"an_envelope": {"version": "3.0", "a_part": ORDER}}
    else:
        root = ElementTree.fromstring(answer.body)  # noqa: S314 # our own answer
        assert (root.tag.partition("}")[2], root[0].tag.partition("}")[2]) == ("an_envelope", "a_part")


@pytest.mark.parametrize("name", names_of("reversal"))
def test_the_documents_reversals_are_taken_back(
    confirm: Function, reverse: Function, stored: Stored, name: str
) -> None:
    message = documented("reversal", name)
    came_back = Decimal(message.get("reverse_amount", message["payment_amount"]))
    shared = ["site_customer_identifier", "pnm_order_identifier", "pnm_payment_identifier"]
    same = {name: message[name] for name in [*shared, "payment_amount"]}
    confirm(confirmation(**same, net_payment_amount=message["payment_amount"]))

    answer = reverse(signed(message))

    assert answer.fields == {"pnm_order_identifier": message["pnm_order_identifier"]}
    assert list(stored.balances().values()) == [Decimal(message["payment_amount"]) - came_back]
    assert stored.anomalies() == set()


@pytest.mark.usefixtures("paid")
def test_however_often_it_is_told_it_is_taken_back_once_and_acknowledged_alike(
    reverse: Function, stored: Stored
) -> None:
    moments = [NOON, NOON + timedelta(seconds=1), NOON + timedelta(days=40)]
    bodies = {
        at(now, reverse, reversal(timestamp=sent(now)), transport).body
        for now in moments
        for transport in TRANSPORTS.values()
    }

    assert len(bodies) == 1
    assert stored.balances() == balance("250.00")
    assert stored.anomalies() == set()


@pytest.mark.usefixtures("paid")
def test_a_repeat_under_the_sites_next_version_is_the_same_reversal(
    reverse: Function, stored: Stored, stored_sites: StoredSites, cold_start: Callable[[str], Function]
) -> None:
    reverse(reversal())
    stored_sites.put({"sites": {SITE: {**SITES[SITE], "version": "2.0"}}})

    assert cold_start("reverse")(reversal(version="2.0")).status == 200
    assert stored.balances() == balance("250.00")


CUTS: dict[str, tuple[Mapping[str, str | None], Mapping[str, str | None]]] = {
    "its type in two": ({"reverse_type": "Chargeback"}, {"reverse_type": "Cha", "rgeback": ""}),
    "a new parameter shorter": ({"zz": "ab"}, {"zz": None, "zza": "b"}),
    "a new parameter longer": ({"zzz": "ab"}, {"zzz": None, "zz": "zab"}),
    "two new ones in one": ({"zy": "1", "zz": "2"}, {"zy": "1zz2", "zz": None}),
}


@pytest.mark.usefixtures("paid")
@pytest.mark.parametrize("cut_first", [False, True], ids=["after", "before"])
@pytest.mark.parametrize("cut", CUTS)
def test_the_same_signed_text_cut_in_other_places_is_no_other_reversal(
    reverse: Function, stored: Stored, cut: str, cut_first: bool
) -> None:
    more, changes = CUTS[cut]
    original = reversal(**more)
    both = {**original, **changes}
    other = {name: value for name, value in both.items() if value is not None}
    assert string_to_sign(other) == string_to_sign(original)

    first, second = (other, original) if cut_first else (original, other)
    # It may be refused, but never be taken back twice.
    assert {reverse(first).status, reverse(second).status} <= {200, 400}
    assert reverse(original).status == 200

    assert stored.balances() == balance("250.00")
    counted = [item for item in stored.everything() if item["sk"].startswith("REVERSALS#")]
    assert sum(value for item in counted for name, value in item.items() if name[-1].isdigit()) == 1


@pytest.mark.usefixtures("paid")
def test_parts_that_differ_are_taken_back_each_and_together_never_more_than_was_posted(
    reverse: Function, stored: Stored
) -> None:
    left = []
    for code, amount in [("R01", "100.00"), ("R02", "100.00"), ("R02", "150.00"), ("R03", "4.99")]:
        reverse(reversal(reverse_code=code, reverse_amount=amount))
        left.append(stored.balances()[CUSTOMER])

    assert left == [Decimal("250.00"), Decimal("150.00"), 0, 0]
    assert stored.anomalies() == set()
    assert stored.payment()["posted_amount"] == Decimal("350.00")


@pytest.mark.usefixtures("paid")
@pytest.mark.parametrize("changes", [{"payment_arn": "2"}, {"reverse_date": "2"}, {"reverse_reason": "2"}])
def test_reversals_that_differ_in_anything_are_two(
    reverse: Function, stored: Stored, changes: dict[str, str]
) -> None:
    reverse(reversal(**dict.fromkeys(changes, "1")))
    reverse(reversal(**changes))

    assert stored.balances() == balance("150.00")


@pytest.mark.usefixtures("paid")
@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"reverse_amount": "354.99"}, "0"),
        ({"reverse_amount": None, "reverse_currency": None}, "0"),
        ({"reverse_amount": "350.00"}, "0"),
        ({"reverse_amount": "349.99"}, "0.01"),
        ({"reverse_currency": None}, "250.00"),
    ],
    ids=["all of it", "no amount of its own", "all that was posted", "a cent less", "no currency of its own"],
)
def test_what_came_back_is_taken_off_up_to_what_was_posted(
    reverse: Function, stored: Stored, changes: dict[str, Any], left: str
) -> None:
    assert reverse(reversal(**changes)).status == 200

    assert stored.balances() == balance(left)
    assert stored.anomalies() == set()


@pytest.mark.usefixtures("paid")
@pytest.mark.parametrize("parts", [["355.00"], ["354.99", "0.01"], ["200.00", "100.00", "55.00"]], ids=str)
def test_more_than_was_paid_is_marked_and_takes_only_what_was_posted(
    reverse: Function, stored: Stored, parts: list[str]
) -> None:
    for amount in parts[:-1]:
        reverse(reversal(reverse_amount=amount))
    assert stored.anomalies() == set()

    assert reverse(reversal(reverse_amount=parts[-1])).content == ACKNOWLEDGED

    assert stored.balances() == balance("0")
    assert stored.anomalies() == {"reversed_too_much"}


@pytest.mark.usefixtures("paid")
def test_other_payments_of_the_customer_keep_what_was_posted(
    confirm: Function, reverse: Function, stored: Stored
) -> None:
    confirm(confirmation(pnm_payment_identifier="2"))

    reverse(reversal(reverse_amount="500.00"))

    assert stored.balances() == balance("350.00")


def test_what_was_spent_stays_spent(
    authorize: Function, confirm: Function, reverse: Function, stored: Stored
) -> None:
    at(NOON, authorize, authorization(timestamp=sent(NOON)))
    at(NOON, confirm, confirmation())

    at(NOON, reverse, reversal(reverse_amount="354.99"))

    windows = [item for item in stored.everything() if item["pk"].startswith("SPENDING#")]
    assert {item["sk"]: item["spent"] for item in windows} == in_all("354.99")


@pytest.mark.usefixtures("paid")
@pytest.mark.parametrize(
    ("changes", "anomalies"),
    [
        ({"site_customer_identifier": "another"}, {"customer_differs"}),
        ({"pnm_order_identifier": "1"}, {"order_differs"}),
        ({"site_customer_identifier": None}, set()),
    ],
    ids=["customer", "order", "no customer"],
)
def test_it_is_taken_off_the_balance_that_got_it_whoever_is_named(
    reverse: Function, stored: Stored, changes: dict[str, Any], anomalies: set[str]
) -> None:
    assert reverse(reversal(**changes)).status == 200

    assert stored.balances() == balance("250.00")
    assert stored.anomalies() == anomalies


@pytest.mark.parametrize("named", [None, CUSTOMER], ids=["names nobody", "names a customer"])
@pytest.mark.parametrize("asked", [False, True], ids=["not asked about", "asked about"])
def test_what_was_posted_to_nobody_is_taken_back_from_nobody(
    authorize: Function, confirm: Function, reverse: Function, stored: Stored, asked: bool, named: str | None
) -> None:
    if asked:
        authorize(authorization())
    confirm(confirmation(site_customer_identifier=None))

    assert reverse(reversal(site_customer_identifier=named)).status == 200

    assert stored.balances() == {}
    assert stored.payment()["reversed_amount"] == Decimal("100.00")


@pytest.mark.usefixtures("paid")
@pytest.mark.parametrize("payment", [None, "before", "after"])
def test_a_test_is_acknowledged_kept_apart_and_moves_nothing(
    confirm: Function, reverse: Function, stored: Stored, payment: str | None
) -> None:
    before = stored.everything()
    if payment == "before":
        confirm(confirmation(test="true"))

    bodies = {reverse(reversal(test="true", reverse_type="Chargeback")).body for _ in range(2)}
    if payment == "after":
        confirm(confirmation(test="true"))

    assert len(bodies) == 1
    assert [item for item in stored.everything() if not item["pk"].startswith("TEST#")] == before
    [kept] = [item for item in stored.payments() if item["test"]]
    assert kept["reversed_amount"] == Decimal("100.00")
    assert not kept.get("debited_amount")
