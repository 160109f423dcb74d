"""The policy in force: read from AppConfig, kept for a minute, and never displaced by what is broken."""

import hashlib
from collections.abc import Callable

import pytest

from paynearme.errors import PolicyUnavailableError
from paynearme.policies import Policies
from paynearme.policy import DEFAULT_TEXTS, Reason
from paynearme.policy.texts import LONGEST_TEXT
from paynearme.settings import Settings
from tests.clock import Clock
from tests.integration.deployed_policy import (
    ACCEPTING,
    BROKEN,
    GET,
    MARKER,
    MISSING,
    START,
    DeployedPolicy,
    failed,
)
from tests.integration.observed import ANSWER_WITHIN_SECONDS, Answer, Function, Stored, Written
from tests.integration.signed_callbacks import SITE, SITE_OF_2_0, authorization, site_changes

KEPT_SECONDS = Settings(sites_secret="").policy_max_age_seconds
SPOILT = pytest.mark.parametrize("how", [*MISSING, *BROKEN])

type PassSeconds = Callable[[float], None]


def reason_of(answer: Answer) -> str | None:
    """Return why an answer declines, or None for an acceptance."""
    assert answer.status == 200
    assert (answer.fields["accept_payment"] == "no") is ("decline_reason" in answer.fields)
    told = {text.decline_reason: reason for reason, text in DEFAULT_TEXTS.items()}
    return told[answer.fields["decline_reason"]] if "decline_reason" in answer.fields else None


def ask(authorize: Function, number: str, **changes: str | None) -> str | None:
    return reason_of(authorize(authorization(pnm_payment_identifier=number, **changes)))


class TestWithoutAPolicy:
    @SPOILT
    def test_a_payment_is_declined_in_so_many_words_and_not_recorded(
        self,
        authorize: Function,
        deployed_policy: DeployedPolicy,
        stored: Stored,
        written: Written,
        how: str,
    ) -> None:
        deployed_policy.spoil(how)

        answer = authorize(authorization())

        assert reason_of(answer) == Reason.CANNOT_DECIDE_NOW
        assert answer.fields["pnm_order_identifier"] == "80080175585"
        assert answer.fields["receipt"] == DEFAULT_TEXTS[Reason.CANNOT_DECIDE_NOW].receipt
        assert stored.everything() == []
        assert written.counted("PolicyUnavailable") == 1
        assert written.counted("PolicyInvalid") == (how in BROKEN)
        [line] = written.logs()
        assert (line["level"], line["error"]) == ("ERROR", "PolicyUnavailableError")
        assert ("policy_error_count" in line) is (how in BROKEN)
        assert MARKER not in answer.body + written.text()

    @SPOILT
    def test_each_payment_is_declined_until_there_is_a_policy_which_then_holds_at_once(
        self, authorize: Function, deployed_policy: DeployedPolicy, stored: Stored, how: str
    ) -> None:
        deployed_policy.spoil(how)
        assert [ask(authorize, number) for number in "121"] == [Reason.CANNOT_DECIDE_NOW] * 3
        deployed_policy.put_defaults(payment_types=["cash"])

        assert ask(authorize, "1") == Reason.PAYMENT_TYPE_NOT_ACCEPTED
        assert ask(authorize, "2", payment_type="cash") is None
        assert {item["decision"] for item in stored.payments()} == {"accept", "decline"}

    def test_a_decline_has_the_form_of_the_site(
        self, authorize: Function, deployed_policy: DeployedPolicy
    ) -> None:
        deployed_policy.spoil("nothing deployed")

        answer = authorize(authorization(**site_changes(SITE_OF_2_0)))

        assert answer.content_type.startswith("application/xml")
        assert reason_of(answer) == Reason.CANNOT_DECIDE_NOW

    def test_what_is_not_valid_is_refused_as_ever(
        self, authorize: Function, deployed_policy: DeployedPolicy
    ) -> None:
        deployed_policy.spoil("nothing deployed")

        assert authorize(authorization(pnm_order_identifier=None)).status == 400


class TestWithAnEarlierPolicy:
    @pytest.fixture(autouse=True)
    def earlier(
        self, authorize: Function, deployed_policy: DeployedPolicy, pass_seconds: PassSeconds
    ) -> None:
        deployed_policy.put_defaults(payment_types=["credit"])
        assert ask(authorize, "0") is None
        deployed_policy.calls.clear()

    @SPOILT
    def test_the_last_good_one_stays_in_force(
        self,
        authorize: Function,
        deployed_policy: DeployedPolicy,
        written: Written,
        pass_seconds: PassSeconds,
        how: str,
    ) -> None:
        deployed_policy.spoil(how)
        for number in "123":
            pass_seconds(KEPT_SECONDS + 1)
            assert ask(authorize, number) is None
            assert ask(authorize, number + "0", payment_type="debit") == Reason.PAYMENT_TYPE_NOT_ACCEPTED

        # Each look for a newer one is counted, and none is taken before it is due.
        counted = {name: written.counted(name) for name in ("PolicyInvalid", "PolicyRefreshFailed")}
        assert counted == {"PolicyInvalid": 3 * (how in BROKEN), "PolicyRefreshFailed": 3 * (how in MISSING)}
        assert written.counted("PolicyUnavailable") == 0
        assert {line["level"] for line in written.logs()} == {"INFO"}
        assert MARKER not in written.text()

    @SPOILT
    def test_a_good_one_is_in_force_once_it_is_due(
        self, authorize: Function, deployed_policy: DeployedPolicy, pass_seconds: PassSeconds, how: str
    ) -> None:
        deployed_policy.spoil(how)
        pass_seconds(KEPT_SECONDS + 1)
        assert ask(authorize, "1") is None
        deployed_policy.put_defaults(payment_types=["cash"])
        pass_seconds(KEPT_SECONDS)
        assert ask(authorize, "2") is None

        pass_seconds(1)
        assert ask(authorize, "3") == Reason.PAYMENT_TYPE_NOT_ACCEPTED
        assert ask(authorize, "4", payment_type="cash") is None

    @pytest.mark.parametrize("error", [failed("BadRequestException"), failed("Broken", 500), KeyError("x")])
    def test_one_that_cannot_be_read_is_asked_for_again_when_it_is_due_and_with_another_session(
        self,
        authorize: Function,
        deployed_policy: DeployedPolicy,
        written: Written,
        pass_seconds: PassSeconds,
        error: Exception,
    ) -> None:
        deployed_policy.fail(GET, error)
        pass_seconds(KEPT_SECONDS + 1)
        for number in "123":
            assert ask(authorize, number) is None
        assert deployed_policy.calls == [GET]

        pass_seconds(KEPT_SECONDS + 1)
        assert ask(authorize, "4") is None
        # A token is good for one call, and the first may have been used up.
        assert deployed_policy.calls == [GET, START, GET]
        assert written.counted("PolicyRefreshFailed") == 1

    def test_one_that_did_not_change_stays_in_force_in_the_same_session(
        self,
        authorize: Function,
        deployed_policy: DeployedPolicy,
        written: Written,
        pass_seconds: PassSeconds,
    ) -> None:
        for number in "123":
            pass_seconds(KEPT_SECONDS + 1)
            assert ask(authorize, number, payment_type="debit") == Reason.PAYMENT_TYPE_NOT_ACCEPTED

        assert deployed_policy.calls == [GET] * 3
        assert written.counted("PolicyInvalid") + written.counted("PolicyRefreshFailed") == 0

    def test_a_changed_one_is_in_force_once_it_is_due_and_not_before(
        self, authorize: Function, deployed_policy: DeployedPolicy, pass_seconds: PassSeconds
    ) -> None:
        deployed_policy.put_defaults(payment_types=["cash"])
        pass_seconds(KEPT_SECONDS)
        assert ask(authorize, "1") is None
        assert deployed_policy.calls == []

        pass_seconds(1)
        assert ask(authorize, "2") == Reason.PAYMENT_TYPE_NOT_ACCEPTED
        assert ask(authorize, "3", payment_type="cash") is None
        assert deployed_policy.calls == [GET]


def test_how_long_a_policy_is_kept_is_a_setting(
    cold_start: Callable[[str], Function],
    deployed_policy: DeployedPolicy,
    monkeypatch: pytest.MonkeyPatch,
    pass_seconds: PassSeconds,
) -> None:
    monkeypatch.setenv("POLICY_MAX_AGE_SECONDS", "5")
    authorize = cold_start("authorize")
    for seconds in (0, 5, 1, 5, 1):
        pass_seconds(seconds)
        authorize(authorization())

    assert deployed_policy.calls == [START, GET, GET, GET]


def test_it_is_noted_and_kept_which_document_a_payment_was_decided_by(
    authorize: Function, deployed_policy: DeployedPolicy, stored: Stored, written: Written
) -> None:
    authorize(authorization())

    version = hashlib.sha256(deployed_policy.content).hexdigest()[:12]
    [line] = written.logs()
    assert line["policy_version"] == stored.payment()["policy"] == version


def test_a_site_has_its_own_policy_or_the_defaults(
    authorize: Function, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put({**ACCEPTING, "sites": {SITE: {"unknown_order": "decline"}}})

    assert reason_of(authorize(authorization())) == Reason.ORDER_UNKNOWN
    assert reason_of(authorize(authorization(**site_changes(SITE_OF_2_0)))) is None
    assert deployed_policy.calls == [START, GET]


@SPOILT
def test_where_none_can_be_found_whoever_needs_none_gets_none(
    deployed_policy: DeployedPolicy, clock: Clock, how: str
) -> None:
    deployed_policy.spoil(how)
    policies = Policies(Settings.from_environment())

    with pytest.raises(PolicyUnavailableError):
        policies.find(SITE, clock.deadline(ANSWER_WITHIN_SECONDS))
    assert policies.find_quickly(SITE, clock.deadline(ANSWER_WITHIN_SECONDS)) is None
    assert clock.sleeps == []


class TestTheTextOfADeclineForAFailure:
    def declined(self, authorize: Function, **changes: str) -> Answer:
        answer = authorize(authorization(**changes))
        assert (answer.status, answer.fields["accept_payment"]) == (200, "no")
        return answer

    @pytest.mark.parametrize("how", [None, *MISSING, *BROKEN])
    def test_it_is_that_of_the_last_known_policy_for_the_site(
        self,
        authorize: Function,
        deployed_policy: DeployedPolicy,
        stored: Stored,
        pass_seconds: PassSeconds,
        how: str | None,
    ) -> None:
        defaults = {**ACCEPTING["defaults"], "texts": {"cannot_decide_now": {"decline_reason": "Later"}}}
        its_own = {"texts": {"cannot_decide_now": {"receipt": "Try again"}}}
        deployed_policy.put({"defaults": defaults, "sites": {SITE: its_own}})
        authorize(authorization())
        stored.client.delete_table(TableName=stored.table_name)
        if how:
            deployed_policy.spoil(how)
            pass_seconds(KEPT_SECONDS + 1)

        own = self.declined(authorize).fields
        other = self.declined(authorize, **site_changes(SITE_OF_2_0)).fields

        usual = DEFAULT_TEXTS[Reason.CANNOT_DECIDE_NOW].receipt
        assert (own["decline_reason"], own["receipt"]) == ("Later", "Try again")
        assert (other["decline_reason"], other["receipt"]) == ("Later", usual)

    @pytest.mark.parametrize(
        ("text", "read"),
        [
            ("{{closed}} <pnm_payment />", "{closed} <pnm_payment />"),
            ("x" * LONGEST_TEXT, "x" * LONGEST_TEXT),
            ("{{" * LONGEST_TEXT, "{" * LONGEST_TEXT),
        ],
        ids=["braces", "longest", "longest, of braces"],
    )
    def test_it_is_read_as_any_other_text(
        self, authorize: Function, deployed_policy: DeployedPolicy, stored: Stored, text: str, read: str
    ) -> None:
        texts = {"cannot_decide_now": {"decline_reason": text, "receipt": text}}
        deployed_policy.put_defaults(texts=texts)
        authorize(authorization())
        stored.client.delete_table(TableName=stored.table_name)

        fields = self.declined(authorize).fields
        assert (fields["decline_reason"], fields["receipt"]) == (read, read)
