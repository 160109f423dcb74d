from typing import Any

import pytest

from paynearme import telemetry
from paynearme.answers import HttpAnswer, callback_answer
from paynearme.certification import Rehearsal, rehearsal_of, rehearsals, rehearse
from paynearme.messages import Confirmation, ConfirmationResponse, read_message
from tests.clock import Clock
from tests.messages import valid_confirmation

OTHERS = ("confirm_bad_xml", "confirm_blank", "confirm_redirect")


def acknowledged(response_format: str = "json") -> HttpAnswer:
    return callback_answer(ConfirmationResponse(pnm_order_identifier="80080175585"), "3.0", response_format)


def annotated(annotation: str | None) -> Confirmation:
    return read_message(Confirmation, valid_confirmation(site_order_annotation=annotation))


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Everything that is noted and counted meanwhile."""
    told: list[Any] = []
    monkeypatch.setattr(telemetry, "note", lambda **fields: told.append(fields))
    monkeypatch.setattr(telemetry, "count", told.append)
    return told


@pytest.mark.parametrize("seconds", [0, 1, 12, 9999])
def test_a_delay_is_asked_for_in_whole_seconds(seconds: int) -> None:
    assert rehearsal_of(f"confirm_delay_{seconds}") == Rehearsal("confirm_delay", seconds)


@pytest.mark.parametrize("name", OTHERS)
def test_the_other_words_stand_for_themselves(name: str) -> None:
    assert rehearsal_of(name) == Rehearsal(name)


@pytest.mark.parametrize(
    "annotation",
    [
        *(None, "", "a gift", "confirm", "confirm_delay", "confirm_delay_", "confirm_delay_x"),
        *("confirm_delay_-1", "confirm_delay_1.5", "confirm_delay_\u0661", f"confirm_delay_{'9' * 5000}"),
        *(
            "confirm_delay_1 ",
            " confirm_blank",
            "confirm_blank\n",
            "CONFIRM_BLANK",
            "please confirm_redirect",
        ),
        "confirm_anything",
    ],
    ids=lambda annotation: repr(annotation)[:30],
)
def test_any_other_annotation_asks_for_nothing(annotation: str | None) -> None:
    assert rehearsal_of(annotation) is None


@pytest.mark.parametrize("response_format", ["json", "xml"])
def test_a_bad_answer_can_be_read_in_neither_format(response_format: str) -> None:
    bad = Rehearsal("confirm_bad_xml").applied(acknowledged(response_format))

    assert bad["statusCode"] == 200
    assert bad["body"]
    assert ">" not in bad["body"]
    assert "{" not in bad["body"]


def test_a_blank_answer_is_a_success_without_a_body() -> None:
    assert Rehearsal("confirm_blank").applied(acknowledged()) == {**acknowledged(), "body": ""}


def test_a_redirection_leads_to_a_name_that_is_nobodys() -> None:
    answer = Rehearsal("confirm_redirect").applied(acknowledged())

    assert (answer["statusCode"], answer["body"]) == (302, "")
    assert answer["headers"]["Location"].removesuffix("/").endswith(".invalid")


@pytest.mark.parametrize("name", OTHERS)
def test_the_true_answer_is_left_as_it_was(name: str) -> None:
    answer = acknowledged()
    Rehearsal(name).applied(answer)
    assert answer == acknowledged()


def test_a_delayed_answer_is_the_true_one_after_its_seconds(clock: Clock, noted: list[Any]) -> None:
    assert rehearse(annotated("confirm_delay_3"), clock.deadline(6.5), acknowledged()) == acknowledged()

    assert clock.sleeps == [3]
    assert noted == [{"certification_hook": "confirm_delay"}, "CertificationHookApplied"]


@pytest.mark.parametrize(("annotation", "worked"), [("confirm_delay_9999", 0.5), ("confirm_delay_6", 0.6)])
def test_a_delay_for_which_the_time_is_too_short_ends_with_it_in_a_blank_answer(
    clock: Clock, noted: list[Any], annotation: str, worked: float
) -> None:
    deadline = clock.deadline(6.5)
    clock.work(worked)

    answer = rehearse(annotated(annotation), deadline, acknowledged())

    assert (answer["statusCode"], answer["body"]) == (200, "")
    assert clock.sleeps == [pytest.approx(6.5 - worked)]


def test_no_time_left_is_no_time_to_wait(clock: Clock, noted: list[Any]) -> None:
    deadline = clock.deadline(1)
    clock.work(2)

    assert rehearse(annotated("confirm_delay_1"), deadline, acknowledged())["body"] == ""
    assert clock.sleeps == [0]


@pytest.mark.parametrize("annotation", [None, "a gift"])
def test_nothing_is_rehearsed_that_was_not_asked_for(
    clock: Clock, noted: list[Any], annotation: str | None
) -> None:
    assert rehearse(annotated(annotation), clock.deadline(6.5), acknowledged()) == acknowledged()
    assert clock.sleeps == []
    assert noted == []


def test_where_the_hooks_are_off_nothing_looks_at_an_annotation() -> None:
    assert rehearsals(on=False) is None
    assert rehearsals(on=True) is rehearse
