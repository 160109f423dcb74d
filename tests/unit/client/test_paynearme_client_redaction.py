"""PayNearMe's rejection texts contain no personal data of the request."""

import traceback

import pytest

from paynearme.errors import RequestRejectedError
from paynearme.protocol.create_order import CreateOrderRequest
from paynearme.protocol.parsing import read_message
from paynearme.protocol.smart_token import SmartTokenRequest
from tests.support.client_stubs import ORDER_REQUEST, new_client
from tests.support.fake_clock import Clock
from tests.support.message_fixtures import resolved_site, valid_guaranteed_ach_request
from tests.support.paynearme_stub import PayNearMeStub, http_response

ORDER_PII = {
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
TOKEN_PII = {"ext_customer_tax_id_pii": "123-45-6789", "ext_customer_date_of_birth_pii": "1950-09-21"}


def reject(request: CreateOrderRequest | SmartTokenRequest, description: str, code: str) -> RequestRejectedError:
    """Reject a request with the description as an object and as text."""
    content = {"status": "error", "response_code": code, "errors": [{"description": description}, description]}
    client = new_client(PayNearMeStub(http_response(422, content)))
    call = client.create_order if isinstance(request, CreateOrderRequest) else client.get_smart_token
    with pytest.raises(RequestRejectedError) as exc_info:
        call(resolved_site(), request, Clock().deadline(6.5))  # type: ignore[arg-type] # the type selected the call
    return exc_info.value


def order_request(**changes: str) -> CreateOrderRequest:
    return read_message(CreateOrderRequest, ORDER_REQUEST.to_parameters() | ORDER_PII | IDENTIFIERS | changes)


def visible_text(error: RequestRejectedError) -> str:
    """Return every text of an error."""
    return "".join([str(dict(error.extensions())), str(vars(error)), repr(error), *traceback.format_exception(error)])


@pytest.mark.parametrize("name", [*ORDER_PII, *TOKEN_PII])
def test_rejection_text_hides_pii(name: str) -> None:
    value = (ORDER_PII | TOKEN_PII)[name]
    token_request = read_message(SmartTokenRequest, valid_guaranteed_ach_request(**TOKEN_PII))
    error = reject(
        order_request() if name in ORDER_PII else token_request, f"No {value}, ({value}) please", f"x{value}"
    )
    assert value not in visible_text(error)
    assert error.descriptions == ["No (redacted), ((redacted)) please"] * 2


def test_rejection_text_without_pii_unchanged() -> None:
    description = f"{IDENTIFIERS['site_customer_identifier']} has {IDENTIFIERS['site_order_identifier']}"
    error = reject(order_request(), description, "1100")
    assert (error.response_code, error.descriptions) == ("1100", [description] * 2)


def test_rejection_text_overlapping_pii_hidden_completely() -> None:
    request = order_request(site_customer_first_name="venkman", site_customer_email="venkman@columbia.example")
    assert "columbia" not in visible_text(reject(request, "venkman@columbia.example is taken", "1100"))


@pytest.mark.parametrize(
    ("value", "text", "redacted"),
    [
        ("zq7-canary", "No xzq7-canaryy", "No x(redacted)y"),
        ("zq7-canary", "NO ZQ7-CANARY", "NO (redacted)"),
        *(("123", text, redacted) for text, redacted in (("CVV 123.", "CVV (redacted)."), ("1123 12", "1123 12"))),
        ("1", "Code 1100", "Code 1100"),
    ],
)
def test_rejection_text_hides_additional_parameter(value: str, text: str, redacted: str) -> None:
    error = reject(order_request(**{"additional_parameters.new_value": value}), text, "1100")
    assert (error.response_code, error.descriptions) == ("1100", [redacted] * 2)
