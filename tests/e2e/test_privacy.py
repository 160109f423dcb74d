"""Nothing personal and nothing secret in what the deployed functions log, store and answer."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from local.backend import Backend, Reply
from local.callbacks import CallbackSender, Delivery, Kind
from local.control import Control
from local.drive import Books, confirmation_of, reversal_of
from local.events import Parameters, Transport, load, signed, with_fresh_payment
from local.logs import groups_of, messages_in
from local.sites import OAUTH_SITE
from local.stack import Stack
from tests.documented import as_documented
from tests.e2e import access_tokens
from tests.e2e.paying import PATHS, PERSONAL, PII, PLAYER, new_payer, save_method, text_of, wanted_order

OF_A_PAYER = {
    "agent_name": "Zuul-Gatekeeper Keymaster",
    "agent_email": "zuul.gatekeeper@example.com",
    "payment_bank_name": "Bank of Personal Secrets",
    "customer_birthday_pii": "1950-11-21-personal",
    "customer_tax_id_pii": "078-05-1120-personal",
    "retailer_location_address": "55 Central Park West, personal",
    "user_agent_string": "personal-agent/1.0",
    "secure_smart_token": "PersonalSmartToken!",
}
REVERSE_REASON = "Account of a personal kind"
SAVED_AT = "Bank of the Player's Own"
KEY = "an-idempotency-key-of-a-person"
LONG = re.compile(r"[A-Za-z0-9!$]{100}")
HEXADECIMAL = re.compile(r"\b([0-9a-f]{32}|[0-9a-f]{64})\b")
"""What could be a token or a signature."""


@dataclass(frozen=True)
class Answers:
    """Calls the backend API and sends callbacks, and keeps all that is answered.

    ``smart`` has the Smart Tokens and links among it: a good answer is there to bring them.
    """

    backend: Backend
    sender: CallbackSender
    said: list[str] = field(default_factory=list)
    smart: set[str] = field(default_factory=set)

    def post(self, operation: str, content: Parameters, key: str | None = None) -> Reply:
        """Call an operation of PayNearMe's at our API."""
        reply = self.backend.post(PATHS[operation], content, key)
        self.said.append(text_of(reply))
        told = reply.content if reply.status == 200 else {}
        orders = [told["order"]] if "order" in told else told.get("orders", [])
        for order in orders:
            self.smart.update((order["secure_smart_token"], order["secure_smart_link"]))
        return as_documented(PATHS[operation], "POST", reply)

    def deliver(self, kind: Kind, message: Parameters, transport: Transport) -> Delivery:
        """Send a callback."""
        delivery = self.sender.deliver(kind, message, transport)
        self.said.append(text_of(delivery))
        return delivery

    def beside_what_is_smart(self) -> list[str]:
        """Return the answers without Smart Tokens."""
        texts = self.said
        # The link ends with the token.
        for smart in sorted(self.smart, key=len, reverse=True):
            texts = [text.replace(smart, "") for text in texts]
        return texts


@pytest.fixture
def answers(backend: Backend, sender: CallbackSender) -> Answers:
    return Answers(backend, sender)


@pytest.fixture
def logged(stack: Stack) -> Callable[[], list[str]]:
    """Give everything that the functions and the APIs have logged."""

    def read() -> list[str]:
        logs = stack.client("logs")
        return [message for group in groups_of(logs) for message in messages_in(logs, group)]

    return read


def send_callbacks(stack: Stack, answers: Answers, faults: Control) -> tuple[str, set[str]]:
    """Send good, forged and faulty callbacks; return a payment's identifier, and what nobody may find."""
    message: Parameters = with_fresh_payment(load("authorization")["ach"]) | OF_A_PAYER
    secret = stack.sites[message["site_identifier"]]["secret"]
    good = signed(confirmation_of(message), secret)
    reversal = signed(reversal_of(confirmation_of(message), reverse_reason=REVERSE_REASON), secret)
    forged = {**good, "signature": "0123456789abcdef" * 4}
    unwanted = {*OF_A_PAYER.values(), REVERSE_REASON}
    unwanted |= {sent["signature"] for sent in (good, reversal, forged)}
    transports: tuple[Transport, ...] = ("query", "form", "json")
    for transport in transports:
        asked = signed(with_fresh_payment(message), secret)
        faulty = signed({**message, "payment_amount": OF_A_PAYER["agent_name"]}, secret)
        unwanted |= {asked["signature"], faulty["signature"]}
        assert answers.deliver("authorize", asked, transport).accepted
        assert answers.deliver("confirm", good, transport).accepted
        assert answers.deliver("confirm", forged, transport).status == 401
        assert answers.deliver("reverse", reversal, transport).accepted
        assert answers.deliver("authorize", faulty, transport).status == 400
    faults.post("fault", {"service": "dynamodb", "mode": "error500"})
    assert answers.deliver("confirm", good, "json").status == 503
    faults.post("reset")
    return message["pnm_payment_identifier"], unwanted


def echo(paynearme: Control, text: str) -> None:
    """Have PayNearMe refuse all calls, with ``text`` among its words."""
    refusal = {"status": "error", "response_code": "1100", "errors": [{"description": f"Bad: {text}"}]}
    paynearme.post("behaviour", {"mode": "answer", "answer": refusal})


def ask_for_tokens(answers: Answers, paynearme: Control) -> None:
    """Ask for Smart Tokens, with good and bad answers."""
    request = load("get_smart_token")["guaranteed_ach"] | PII
    for wanted in load("get_smart_token").values():
        assert answers.post("get_smart_token", wanted).status == 200
    assert answers.post("get_smart_token", request).status == 200
    tax_identifier = PII["ext_customer_tax_id_pii"]
    assert answers.post("get_smart_token", {**request, "flow_pay_url": tax_identifier}).status == 400
    for mode, status in (("refuse", 422), ("html", 502), ("abort", 502)):
        paynearme.post("behaviour", {"mode": mode})
        assert answers.post("get_smart_token", request).status == status
    echo(paynearme, tax_identifier)
    assert answers.post("get_smart_token", request).status == 422
    paynearme.post("behaviour", {"mode": "normal"})


def pay_by_oauth(answers: Answers, paynearme: Control) -> None:
    """Make all calls but the one for Smart Tokens, with good and bad answers."""
    player = new_payer(answers.backend, paynearme, OAUTH_SITE)
    save_method(paynearme, OAUTH_SITE, player.customer, description=SAVED_AT)
    new = wanted_order(OAUTH_SITE, player.customer, **PLAYER)
    owner = {"site_identifier": OAUTH_SITE, "site_customer_identifier": player.customer}
    email = PLAYER["site_customer_email"]
    assert answers.post("create_order", new).status == 200
    assert SAVED_AT in str(answers.post("find_payment_methods", owner).content)
    assert answers.post("make_payment", player.wish(), KEY).status == 200
    assert answers.post("make_payment", player.wish(payment_amount=email), KEY).status == 400
    for mode, status, of_payment in (("refuse", 422, 409), ("html", 502, 504)):
        paynearme.post("behaviour", {"mode": mode})
        assert answers.post("create_order", {**new, "site_order_identifier": mode}).status == status
        assert answers.post("make_payment", player.wish(), f"{KEY}-{mode}").status == of_payment
    echo(paynearme, email)
    assert answers.post("create_order", {**new, "site_order_identifier": "echo"}).status == 422
    paynearme.post("behaviour", {"mode": "normal"})
    paynearme.post("settled")


def secrets_of(stack: Stack) -> set[str]:
    """Return the sites' keys, and the access token that is stored, encrypted, for all functions."""
    name = access_tokens.parameter_of(stack, OAUTH_SITE)
    kept = stack.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert kept["Type"] == "SecureString"
    keys = {
        entry[name] for entry in stack.sites.values() for name in ("secret", "api_secret") if name in entry
    }
    clients = {entry["oauth"]["client_secret"] for entry in stack.sites.values() if "oauth" in entry}
    return {*keys, *clients, json.loads(kept["Value"])["access_token"]}


@pytest.mark.usefixtures("tokens")
def test_everything_logged_stored_and_answered_is_free_of_secrets_and_personal_data(
    stack: Stack,
    answers: Answers,
    books: Books,
    faults: Control,
    paynearme: Control,
    logged: Callable[[], list[str]],
) -> None:
    payment, unwanted = send_callbacks(stack, answers, faults)
    ask_for_tokens(answers, paynearme)
    pay_by_oauth(answers, paynearme)
    unwanted |= {*PERSONAL, KEY, *secrets_of(stack)}
    requests = load("get_smart_token").values()
    unwanted |= {text for request in requests for name, text in request.items() if name.endswith("_pii")}

    lines, said = logged(), answers.beside_what_is_smart()
    stored = json.dumps(books.everything(), default=str, ensure_ascii=False)
    assert any(payment in line for line in lines)
    assert payment in stored
    # An answer brings these, and nothing keeps them.
    for value in unwanted | answers.smart | {SAVED_AT}:
        assert not [line for line in lines if value in line]
        assert value not in stored
    for value in unwanted:
        assert not [text for text in said if value in text]
    assert "_pii" not in stored
    # What other tests sent and got is in these logs as well.
    for pattern in (LONG, HEXADECIMAL):
        assert not [text for text in (*lines, *said) if pattern.search(text)]
    assert not LONG.search(stored)
