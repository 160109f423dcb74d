"""The logs, items, events and responses of the deployed functions contain no PII and no secrets."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from sandbox.clients.backend_client import BackendClient, Response
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery, Kind
from sandbox.fake_paynearme.messages import (
    Parameters,
    Transport,
    build_confirmation,
    build_reversal,
    signed,
    with_new_identifier,
)
from sandbox.stack.logs import groups_of, messages_in
from sandbox.stack.sites import OAUTH_SITE
from sandbox.stack.stack import Stack
from tests.support.event_assertions import PaymentEventRecorder
from tests.support.openapi_assertions import assert_documented
from tests.support.payment_driver import (
    CUSTOMER_DATA,
    PATHS,
    PII,
    PII_VALUES,
    new_customer_with_method,
    order_request,
    save_method,
    text_of,
    token_parameter_name,
)

CALLBACK_PII = {
    "agent_name": "Zuul-Gatekeeper Keymaster",
    "agent_email": "zuul.gatekeeper@example.com",
    "payment_bank_name": "Bank of Unique Names",
    "customer_birthday_pii": "1950-11-21-unique",
    "customer_tax_id_pii": "078-05-1120-unique",
    "retailer_location_address": "55 Central Park West, unique",
    "user_agent_string": "unique-agent/1.0",
    "secure_smart_token": "UniqueSmartToken!",
}
REVERSE_REASON = "Unique reverse reason"
BANK_NAME = "Unique savings bank"
KEY = "unique-idempotency-key"
LONG_TOKEN = re.compile(r"[A-Za-z0-9!$]{100}")
HEXADECIMAL = re.compile(r"\b([0-9a-f]{32}|[0-9a-f]{64})\b")
"""With ``LONG_TOKEN``: the formats of tokens and signatures."""

QUARANTINE_IDENTIFIER = re.compile(r'"quarantine_identifier":"S[0-9]+/[0-9a-f]{32}"')
"""A log field that contains a hash of the callback."""


@dataclass(frozen=True)
class ResponseRecorder:
    """Call the backend API, send callbacks, and record all responses.

    ``smart_tokens`` has the Smart Tokens and their links. Successful responses must contain them.
    """

    backend: BackendClient
    sender: CallbackSender
    texts: list[str] = field(default_factory=list)
    smart_tokens: set[str] = field(default_factory=set)

    def post(self, operation: str, content: Parameters, key: str | None = None) -> Response:
        """Call the route of a PayNearMe operation at the backend API."""
        response = self.backend.post(PATHS[operation], content, key)
        self.texts.append(text_of(response))
        response_content = response.content if response.status == 200 else {}
        orders = [response_content["order"]] if "order" in response_content else response_content.get("orders", [])
        for order in orders:
            self.smart_tokens.update((order["secure_smart_token"], order["secure_smart_link"]))
        return assert_documented(PATHS[operation], "POST", response)

    def deliver(self, kind: Kind, message: Parameters, transport: Transport) -> Delivery:
        """Send a callback."""
        delivery = self.sender.deliver(kind, message, transport)
        self.texts.append(text_of(delivery))
        return delivery

    def texts_without_smart_tokens(self) -> list[str]:
        """Return the recorded responses without Smart Tokens and their links."""
        texts = self.texts
        # The link contains the token, so remove the longer text first.
        for secret_text in sorted(self.smart_tokens, key=len, reverse=True):
            texts = [text.replace(secret_text, "") for text in texts]
        return texts


@pytest.fixture
def response_recorder(backend: BackendClient, sender: CallbackSender) -> ResponseRecorder:
    return ResponseRecorder(backend, sender)


@pytest.fixture
def log_reader(stack: Stack) -> Callable[[], list[str]]:
    """Return a function that reads all log lines of the functions and the APIs."""

    def read_logs() -> list[str]:
        logs = stack.client("logs")
        return [message for group in groups_of(logs) for message in messages_in(logs, group)]

    return read_logs


def send_callbacks(stack: Stack, response_recorder: ResponseRecorder, faults: ControlClient) -> tuple[str, set[str]]:
    """Send valid, forged and quarantined callbacks. Return a payment identifier, and the sensitive values."""
    message: Parameters = with_new_identifier(load("authorization")["ach"]) | CALLBACK_PII
    secret = stack.sites[message["site_identifier"]]["secret"]
    valid_message = signed(build_confirmation(message), secret)
    reversal = signed(build_reversal(build_confirmation(message), reverse_reason=REVERSE_REASON), secret)
    forged_message = {**valid_message, "signature": "0123456789abcdef" * 4}
    moved_message = with_absorbed_parameters(valid_message, "payment_amount", "payment_bank_last4", "payment_bank_name")
    sensitive_values = {*CALLBACK_PII.values(), REVERSE_REASON}
    sensitive_values |= {signed_message["signature"] for signed_message in (valid_message, reversal, forged_message)}
    transports: tuple[Transport, ...] = ("query", "form", "json")
    for transport in transports:
        authorization = signed(with_new_identifier(message), secret)
        invalid_message = signed({**message, "payment_amount": "4.999"}, secret)
        sensitive_values |= {authorization["signature"], invalid_message["signature"]}
        assert response_recorder.deliver("authorize", authorization, transport).accepted
        assert response_recorder.deliver("confirm", valid_message, transport).accepted
        assert response_recorder.deliver("confirm", forged_message, transport).status == 401
        assert response_recorder.deliver("reverse", reversal, transport).accepted
        assert response_recorder.deliver("authorize", invalid_message, transport).accepted
        assert response_recorder.deliver("confirm", moved_message, transport).accepted
        assert response_recorder.deliver("confirm", reversal, transport).accepted
    faults.post("fault", {"service": "dynamodb", "mode": "error500"})
    assert response_recorder.deliver("confirm", valid_message, "json").status == 503
    faults.post("reset")
    return message["pnm_payment_identifier"], sensitive_values


def with_absorbed_parameters(message: Mapping[str, str], name: str, *absorbed: str) -> dict[str, str]:
    """Return a message with the same signed text, where the value of ``name`` contains the parameters after it."""
    rest = {other: value for other, value in message.items() if other not in absorbed}
    return {**rest, name: message[name] + "".join(other + message[other] for other in absorbed)}


def reject_with_text(paynearme: ControlClient, text: str) -> None:
    """Make the fake PayNearMe reject all requests with an error description that contains ``text``."""
    rejection = {"status": "error", "response_code": "1100", "errors": [{"description": f"Bad: {text}"}]}
    paynearme.post("behaviour", {"mode": "response", "response": rejection})


def request_tokens(response_recorder: ResponseRecorder, paynearme: ControlClient) -> None:
    """Request Smart Tokens, with successful and failed responses."""
    request = load("get_smart_token")["guaranteed_ach"] | PII
    for token_request in load("get_smart_token").values():
        assert response_recorder.post("get_smart_token", token_request).status == 200
    assert response_recorder.post("get_smart_token", request).status == 200
    tax_identifier = PII["ext_customer_tax_id_pii"]
    assert response_recorder.post("get_smart_token", {**request, "flow_pay_url": tax_identifier}).status == 400
    for mode, status in (("reject", 422), ("html", 502), ("abort", 502)):
        paynearme.post("behaviour", {"mode": mode})
        assert response_recorder.post("get_smart_token", request).status == status
    reject_with_text(paynearme, tax_identifier)
    assert response_recorder.post("get_smart_token", request).status == 422
    paynearme.post("behaviour", {"mode": "normal"})


def pay_by_oauth(response_recorder: ResponseRecorder, paynearme: ControlClient) -> None:
    """Call all operations except Smart Tokens, with successful and failed responses."""
    customer = new_customer_with_method(response_recorder.backend, paynearme, OAUTH_SITE)
    save_method(paynearme, OAUTH_SITE, customer.identifier, description=BANK_NAME)
    order = order_request(OAUTH_SITE, customer.identifier, **CUSTOMER_DATA)
    owner = {"site_identifier": OAUTH_SITE, "site_customer_identifier": customer.identifier}
    email = CUSTOMER_DATA["site_customer_email"]
    assert response_recorder.post("create_order", order).status == 200
    assert BANK_NAME in str(response_recorder.post("find_payment_methods", owner).content)
    assert response_recorder.post("make_payment", customer.payment_request(), KEY).status == 200
    assert response_recorder.post("make_payment", customer.payment_request(payment_amount=email), KEY).status == 400
    for mode, status, payment_status in (("reject", 422, 409), ("html", 502, 504)):
        paynearme.post("behaviour", {"mode": mode})
        assert response_recorder.post("create_order", {**order, "site_order_identifier": mode}).status == status
        assert (
            response_recorder.post("make_payment", customer.payment_request(), f"{KEY}-{mode}").status == payment_status
        )
    reject_with_text(paynearme, email)
    assert response_recorder.post("create_order", {**order, "site_order_identifier": "echo"}).status == 422
    paynearme.post("behaviour", {"mode": "normal"})
    paynearme.post("settled")


def secrets_of(stack: Stack) -> set[str]:
    """Return the site keys, the OAuth client secrets, and the stored access token."""
    name = token_parameter_name(stack, OAUTH_SITE)
    parameter = stack.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert parameter["Type"] == "SecureString"
    keys = {entry[name] for entry in stack.sites.values() for name in ("secret", "api_secret") if name in entry}
    clients = {entry["oauth"]["client_secret"] for entry in stack.sites.values() if "oauth" in entry}
    return {*keys, *clients, json.loads(parameter["Value"])["access_token"]}


@pytest.mark.usefixtures("tokens")
def test_logs_items_events_responses_without_secrets_or_pii(
    stack: Stack,
    response_recorder: ResponseRecorder,
    ledger_reader: LedgerReader,
    faults: ControlClient,
    paynearme: ControlClient,
    log_reader: Callable[[], list[str]],
    received_events: PaymentEventRecorder,
) -> None:
    earlier_lines = set(log_reader())
    payment, sensitive_values = send_callbacks(stack, response_recorder, faults)
    request_tokens(response_recorder, paynearme)
    pay_by_oauth(response_recorder, paynearme)
    sensitive_values |= {*PII_VALUES, KEY, *secrets_of(stack)}
    requests = load("get_smart_token").values()
    sensitive_values |= {text for request in requests for name, text in request.items() if name.endswith("_pii")}

    keys = Counter({(payment, "PaymentReversed"): 1, (payment, "CallbackQuarantined"): 3})
    assert received_events.wait_until(lambda recorder: keys <= recorder.count_keys([payment]))
    events = json.dumps(received_events.events, ensure_ascii=False)
    lines = [line for line in log_reader() if line not in earlier_lines]
    response_texts = response_recorder.texts_without_smart_tokens()
    items = json.dumps(ledger_reader.scan(), default=str, ensure_ascii=False)
    assert any(payment in line for line in lines)
    assert payment in items
    # Responses may contain Smart Tokens and bank names. Logs, items and events may not.
    for value in sensitive_values | response_recorder.smart_tokens | {BANK_NAME}:
        assert not [line for line in lines if value in line]
        assert value not in items + events
    for value in sensitive_values:
        assert not [text for text in response_texts if value in text]
    assert "_pii" not in items + events
    lines = [QUARANTINE_IDENTIFIER.sub("", line) for line in lines]
    for pattern in (LONG_TOKEN, HEXADECIMAL):
        assert not [text for text in (*lines, *response_texts) if pattern.search(text)]
    assert not LONG_TOKEN.search(items)
