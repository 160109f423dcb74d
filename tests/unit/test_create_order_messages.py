import json
from typing import Any

import pytest
from pydantic import ValidationError

from local.events import load
from paynearme.errors import ValidationFailedError
from paynearme.messages import Confirmation, read_message
from paynearme.messages.create_order import CreatedOrder, CreateOrderResponse, CreateOrderRequest
from paynearme.parameters import from_json_body
from tests.events_of_gateway import json_event
from tests.messages import valid_confirmation

DOCUMENT = load("create_order")["guaranteed_ach"]
READ = from_json_body(json_event(DOCUMENT))
NEEDED = ["order_amount", "order_currency", "order_type", "order_is_standing", "site_customer_identifier"]
CUSTOMER = [
    *("site_customer_first_name", "site_customer_last_name", "site_customer_email", "site_customer_phone"),
    *("site_customer_language", "site_customer_street", "site_customer_city", "site_customer_state"),
    "site_customer_postal_code",
]
CANARY = "canary-7e2b"


def changed(**changes: str | None) -> dict[str, str]:
    return {name: value for name, value in {**READ, **changes}.items() if value is not None}


def sent(parameters: dict[str, str]) -> dict[str, str]:
    return read_message(CreateOrderRequest, parameters).to_parameters()


def faults_of(parameters: dict[str, str]) -> dict[str, str]:
    with pytest.raises(ValidationFailedError) as caught:
        read_message(CreateOrderRequest, parameters)
    return caught.value.faults


def test_the_guides_request_is_sent_as_it_stands_but_for_what_every_call_carries() -> None:
    expected = {name: value for name, value in READ.items() if name != "site_identifier"}
    # A number there, and an amount here.
    assert sent(READ) == expected | {"order_amount": "500.00"}


def test_what_every_call_carries_may_be_given_and_is_not_sent() -> None:
    assert sent(changed(timestamp="1721941353", version="3.0", signature="0" * 64)) == sent(READ)


def test_the_sites_identifier_loses_the_blank_that_the_guide_prints() -> None:
    assert READ["site_identifier"] == "S6404173951 "
    assert read_message(CreateOrderRequest, READ).site_identifier == "S6404173951"


def test_the_least_that_a_request_can_say_is_sent() -> None:
    least = {name: READ[name] for name in NEEDED}
    assert sent(least) == least | {"order_amount": "500.00"}


@pytest.mark.parametrize("missing", NEEDED)
def test_what_an_order_needs_is_named_where_it_is_missing(missing: str) -> None:
    assert faults_of(changed(**{missing: None})) == {missing: "is required"}


@pytest.mark.parametrize(
    ("name", "wrong", "description"),
    [
        *(("order_amount", text, "must be an amount like 25.00") for text in ("", "1e3", "5.001", CANARY)),
        *(("order_amount", text, "must be more than nothing") for text in ("0", "0.00", "-5")),
        *(("order_currency", text, "must be USD") for text in ("", "usd", "EUR", CANARY)),
        *(("order_type", text, "must be exact, up-to or any") for text in ("", "Any", CANARY)),
        *(("order_is_standing", text, "must be true or false") for text in ("", "TRUE", "1", CANARY)),
        *(
            ("site_customer_year_of_birth", text, "must be a year like 1982")
            for text in ("", "50", "1850", "2100", "1950 ", "١٩٥٠", "1950-01-01", CANARY)
        ),
        ("cards", CANARY, "is not a parameter of this call"),
        ("pnm_order_identifier", CANARY, "is not a parameter of this call"),
        ("ext_customer_tax_id_pii", CANARY, "is not a parameter of this call"),
    ],
)
def test_a_faulty_parameter_is_named_and_described(name: str, wrong: str, description: str) -> None:
    assert faults_of(changed(**{name: wrong})) == {name: description}


@pytest.mark.parametrize("name", [*CUSTOMER, "site_customer_identifier", "site_order_identifier"])
@pytest.mark.parametrize("wrong", ["", f"{CANARY}\n", "x" * 257, "\x00"])
def test_a_line_that_is_none_is_named_and_not_repeated(name: str, wrong: str) -> None:
    faults = faults_of(changed(**{name: wrong}))
    assert faults == {name: "is not readable"}


@pytest.mark.parametrize("name", CUSTOMER)
def test_what_says_who_the_customer_is_is_any_line(name: str) -> None:
    for line in ("Zoë 🏦", " ", "x" * 256, "236 W 34th Street #1"):
        assert sent(changed(**{name: line}))[name] == line


@pytest.mark.parametrize("annotation", ["confirm_delay_5", "For the 5 o'clock game: row 7", '{"site": "x"}'])
def test_an_annotation_is_sent_as_it_is(annotation: str) -> None:
    assert sent(changed(site_order_annotation=annotation))["site_order_annotation"] == annotation


@pytest.mark.parametrize("annotation", ["a notetesttrue", "of statuspayment", "site_subchannelx"])
def test_an_annotation_is_refused_over_which_confirmations_would_be(annotation: str) -> None:
    with pytest.raises(ValidationFailedError):
        read_message(Confirmation, valid_confirmation(site_order_annotation=annotation))

    assert faults_of(changed(site_order_annotation=annotation)) == {
        "site_order_annotation": "must not hold the name of a parameter"
    }


@pytest.mark.parametrize("order_type", ["exact", "up-to", "any"])
@pytest.mark.parametrize("standing", ["true", "false"])
def test_each_type_of_order_can_be_asked_for(order_type: str, standing: str) -> None:
    parameters = sent(changed(order_type=order_type, order_is_standing=standing))
    assert (parameters["order_type"], parameters["order_is_standing"]) == (order_type, standing)


def test_all_faults_are_named_at_once() -> None:
    wrong = {"order_amount": "x", "order_type": "x", "site_customer_phone": "", "x": "x"}
    assert faults_of(changed(**wrong, order_currency=None)).keys() == {*wrong, "order_currency"}


def test_neither_the_request_nor_its_error_shows_what_is_personal() -> None:
    request = read_message(CreateOrderRequest, READ)
    assert str(request) == repr(request) == "<CreateOrderRequest>"
    with pytest.raises(ValidationFailedError) as caught:
        read_message(CreateOrderRequest, changed(order_amount=CANARY, site_customer_email=f"{CANARY}\n"))
    assert CANARY not in repr(caught.value) + str(caught.value) + str(caught.value.faults)


def test_every_parameter_of_the_guide_has_its_field() -> None:
    of_every_call = {"timestamp", "version", "signature"}
    # That it belongs to this call, the callbacks' document says.
    of_callbacks = {"site_order_annotation"}
    assert set(CreateOrderRequest.model_fields) == {*DOCUMENT} | of_every_call | of_callbacks


TOLD = load("create_order_answer")["guaranteed_ach"]


def created(**changes: object) -> CreatedOrder:
    return CreateOrderResponse.model_validate({**TOLD, "order": {**TOLD["order"], **changes}}).order


def with_methods(*methods: object) -> CreatedOrder:
    return created(electronic_payments={"payment_methods": list(methods)})


def test_the_guides_answer_is_trimmed_to_what_a_backend_needs() -> None:
    dumped = created().model_dump(mode="json")
    methods = dumped.pop("payment_methods")
    order, customer = TOLD["order"], TOLD["order"]["customer"]
    identifiers = {name: customer[name] for name in ("pnm_customer_identifier", "site_customer_identifier")}
    same = {name: order[name] for name in dumped if name in order}
    assert dumped == same | identifiers | {"order_is_standing": True}
    assert [method["type"] for method in methods] == [
        *("ach", "apple_pay_credit", "paypal", "debit", "credit", "gpay", "apple_pay_debit")
    ]
    assert methods == order["electronic_payments"]["payment_methods"]


def test_what_says_who_the_customer_is_is_left_out_of_the_answer() -> None:
    dumped = json.dumps(CreateOrderResponse.model_validate(TOLD).model_dump(mode="json"))
    left_out = {n: v for n, v in TOLD["order"]["customer"].items() if not n.endswith("customer_identifier")}
    assert len(left_out) == 9
    for name, value in left_out.items():
        assert name not in dumped
        # A language or a state of two letters may stand anywhere.
        assert value not in dumped or len(value) == 2


def test_saved_methods_are_told_by_type() -> None:
    saved: dict[str, Any] = load("find_payment_methods_answer")["saved"]["accounts"][0]
    order = with_methods({"type": "ach", "fee_amount": 1, "accounts": [saved]}, {"type": "debit"})
    ach, debit = order.payment_methods
    assert (ach.type, str(ach.fee_amount), len(ach.accounts)) == ("ach", "1.00", 1)
    assert (ach.accounts[0].payment_method_identifier, ach.accounts[0].guaranteed_ach) == (
        "76590ef5135ae",
        True,
    )
    assert (debit.fee_amount, debit.accounts) == (None, [])


def test_identifiers_and_amounts_that_come_as_numbers_are_read() -> None:
    order = created(pnm_order_identifier=82882345534, site_order_identifier=6969675870, order_amount=500)
    assert order == created(order_amount="500.0")


def test_an_answer_and_its_parts_show_nothing() -> None:
    answer = CreateOrderResponse.model_validate(TOLD)
    parts = [answer, answer.order, answer.order.payment_methods[0]]
    assert [str(part) for part in parts] == [repr(part) for part in parts]
    assert [str(part) for part in parts] == [
        "<CreateOrderResponse>",
        "<CreatedOrder>",
        "<PaymentMethodsOfType>",
    ]


@pytest.mark.parametrize("garbage", [["x"], {"x": 1}, "", "maybe", 1, None])
def test_a_flag_that_is_none_is_not_known(garbage: object) -> None:
    assert created(order_is_standing=garbage).order_is_standing is None


@pytest.mark.parametrize("garbage", [["5"], {}, True, "", "five", None, "NaN", "Infinity", "sNaN", "1e99"])
@pytest.mark.parametrize("name", ["order_amount", "minimum_payment_amount"])
def test_an_amount_that_is_none_is_not_known(name: str, garbage: object) -> None:
    assert getattr(created(**{name: garbage}), name) is None


INFORMATIONAL = [
    *("site_order_identifier", "pnm_order_short_identifier", "order_status", "order_type", "order_currency"),
    *("secure_smart_token", "secure_smart_link", "order_tracking_url"),
]


# The order exists by then, and nobody may ask for it again.
@pytest.mark.parametrize("garbage", [["x"], {"x": 1}, True], ids=repr)
@pytest.mark.parametrize("name", INFORMATIONAL)
def test_a_text_that_is_none_does_not_lose_the_order(name: str, garbage: object) -> None:
    assert getattr(created(**{name: garbage}), name) is None


@pytest.mark.parametrize("name", INFORMATIONAL)
def test_an_order_may_lack_what_is_not_needed(name: str) -> None:
    without = {n: v for n, v in TOLD["order"].items() if n != name}
    assert getattr(CreateOrderResponse.model_validate({"order": without}).order, name) is None


@pytest.mark.parametrize("nothing", [None, [], "x", 1, {}, {"payment_methods": None}], ids=repr)
def test_without_payment_methods_the_order_has_none(nothing: object) -> None:
    assert created(electronic_payments=nothing).payment_methods == []


def test_a_type_whose_accounts_are_null_has_none_saved() -> None:
    [method] = with_methods({"type": "ach", "accounts": None}).payment_methods
    assert method.accounts == []


@pytest.mark.parametrize("customer", [None, [], "x", {}], ids=repr)
def test_an_order_may_lack_its_customer(customer: object) -> None:
    order = created(customer=customer)
    assert (order.pnm_customer_identifier, order.site_customer_identifier) == (None, None)


@pytest.mark.parametrize("wrong", [None, True, "", "a b", "x" * 65, ["1"], {"a": 1}, 1.5], ids=repr)
def test_an_answer_without_the_orders_identifier_is_none(wrong: object) -> None:
    with pytest.raises(ValidationError):
        created(pnm_order_identifier=wrong)


@pytest.mark.parametrize("content", [{}, {"order": None}, {"order": []}, {"order": {}}, {"order": CANARY}])
def test_an_answer_without_an_order_is_refused_and_not_repeated(content: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        CreateOrderResponse.model_validate(content)
    assert CANARY not in str(caught.value)
