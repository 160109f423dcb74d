"""PayNearMe's rejection texts contain no personal data of the request."""

import traceback

import pytest

from paynearme.errors import RequestRejectedError, ServiceError
from paynearme.protocol.create_order import CreateOrderRequest
from paynearme.protocol.parsing import read_message
from paynearme.protocol.smart_token import SmartTokenRequest
from tests.support.client_stubs import ORDER_REQUEST, new_client
from tests.support.fake_clock import Clock
from tests.support.message_fixtures import resolved_site, valid_guaranteed_ach_request
from tests.support.paynearme_stub import PayNearMeStub, http_response

PII_PARAMETERS = {
    "site_customer_first_name": "Peter",
    "site_customer_last_name": "Venkman",
    "site_customer_email": "doctor@example.com",
    "site_customer_phone": "(212) 555-1212",
    "site_customer_street": "14 N. Moore St. [Apt. 2]",
    "site_customer_city": "Troy",
    "site_customer_postal_code": "10013-1234",
    "site_customer_year_of_birth": "1950",
}
IDENTIFIERS = {"site_customer_identifier": "575530001", "site_order_identifier": "D-2026-17"}
PII = {"ext_customer_tax_id_pii": "123-45-6789", "ext_customer_date_of_birth_pii": "1950-09-21"}


def rejection_pool(description: str, code: str | None) -> PayNearMeStub:
    content = {"status": "error", "response_code": code, "errors": [{"description": description}, description]}
    return PayNearMeStub(http_response(422, content))


def reject_order(changes: dict[str, str], description: str, code: str | None) -> RequestRejectedError:
    parameters = ORDER_REQUEST.to_parameters() | PII_PARAMETERS | IDENTIFIERS | changes
    request = read_message(CreateOrderRequest, parameters)
    with pytest.raises(RequestRejectedError) as exc_info:
        new_client(rejection_pool(description, code)).create_order(resolved_site(), request, Clock().deadline(6.5))
    return exc_info.value


def visible_text(error: ServiceError) -> str:
    """Return every text of an error."""
    return "".join([str(dict(error.extensions())), str(vars(error)), repr(error), *traceback.format_exception(error)])


def test_pii_parameters_of_order_complete() -> None:
    names = {name for name in CreateOrderRequest.model_fields if name.startswith("site_customer_")}
    public = {"site_customer_identifier", "site_customer_language", "site_customer_state"}
    assert names - public == PII_PARAMETERS.keys()


@pytest.mark.parametrize("name", PII_PARAMETERS)
def test_rejection_text_hides_order_pii(name: str) -> None:
    value = PII_PARAMETERS[name]
    error = reject_order({}, f"No {value}, ({value}) please", f"x{value}")
    assert value not in visible_text(error)
    [first, second] = error.descriptions
    assert first == second
    assert first.startswith("No ")
    assert first.endswith(" please")


@pytest.mark.parametrize("name", PII)
def test_rejection_text_hides_smart_token_pii(name: str) -> None:
    value = PII[name]
    request = read_message(SmartTokenRequest, valid_guaranteed_ach_request(**PII))
    with pytest.raises(RequestRejectedError) as exc_info:
        new_client(rejection_pool(f"Wrong: {value}.", value)).get_smart_token(
            resolved_site(), request, Clock().deadline(6.5)
        )
    assert value not in visible_text(exc_info.value)
    assert exc_info.value.descriptions[0].startswith("Wrong: ")


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_rejection_text_keeps_merchant_identifiers(name: str) -> None:
    description = f"{IDENTIFIERS[name]} is known"
    error = reject_order({}, description, "1100")
    assert (error.response_code, error.descriptions) == ("1100", [description] * 2)


def test_rejection_text_overlapping_pii_hidden_completely() -> None:
    changes = {"site_customer_first_name": "venkman", "site_customer_email": "venkman@columbia.example"}
    error = reject_order(changes, "venkman@columbia.example is taken", None)
    assert "columbia" not in visible_text(error)


def test_rejection_text_without_pii_unchanged() -> None:
    error = reject_order({}, "Order is closed", None)
    assert (error.response_code, error.descriptions) == (None, ["Order is closed"] * 2)
