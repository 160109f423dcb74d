import json
from base64 import b64decode
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

import pytest

from paynearme.access_tokens import EXPIRES_EARLY_SECONDS, LEASE_SECONDS
from paynearme.errors import UpstreamTimeoutError
from tests.integration.meanwhile import Meanwhile
from tests.integration.observed import Traffic
from tests.integration.token_address import (
    CLIENT,
    CLIENT_SECRET,
    OAUTH_SITE,
    TOKEN,
    Processes,
    site,
)

if TYPE_CHECKING:
    pass

FIRST, SECOND = f"{TOKEN}-1", f"{TOKEN}-2"


def test_the_first_token_is_asked_for_once_and_stored_encrypted(processes: Processes) -> None:
    process = processes.start()

    assert [processes.find(process) for _ in range(3)] == [FIRST] * 3
    [asked] = processes.address.asked
    assert asked["to"] == f"POST {CLIENT['token_url']}"
    assert asked["form"] == {"grant_type": ["client_credentials"]}
    stored = processes.parameter()
    assert stored["Type"] == "SecureString"
    assert FIRST in stored["Value"]


def test_another_process_uses_what_is_stored(processes: Processes) -> None:
    assert [processes.find() for _ in range(5)] == [FIRST] * 5
    assert len(processes.address.asked) == 1


def test_a_process_that_has_a_token_asks_nobody(processes: Processes, traffic: Traffic) -> None:
    process = processes.start()
    processes.find(process)
    traffic.calls.clear()

    processes.find(process)

    assert traffic.calls == []


@pytest.mark.parametrize(
    ("lives", "used_for"),
    [
        *((3600, 3570), (100, 70), (60, 30), (40, 20), (10, 5), (None, 270), (0, 270), ("3600", 3570)),
        # One that was revoked is not kept for years.
        *((86_400, 86_370), (86_401, 86_370), (10 * 365 * 86_400, 86_370), (10**300, 86_370)),
    ],
    ids=lambda part: f"{part!r:.20}",
)
def test_a_token_is_used_until_shortly_before_it_expires(
    processes: Processes, lives: object, used_for: float
) -> None:
    assert EXPIRES_EARLY_SECONDS == 30
    processes.address.lives = lives
    process = processes.start()
    processes.find(process)

    processes.clock.work(used_for - 0.5)
    assert [processes.find(process), processes.find()] == [FIRST] * 2
    processes.clock.work(1)
    assert [processes.find(process), processes.find()] == [SECOND] * 2
    assert len(processes.address.asked) == 2


def test_a_refused_token_is_replaced_once_for_all(processes: Processes) -> None:
    several = [processes.start() for _ in range(4)]
    assert {processes.find(process) for process in several} == {FIRST}

    assert {processes.find(process, refused=FIRST) for process in several} == {SECOND}
    assert len(processes.address.asked) == 2
    assert {processes.find(process) for process in several} == {SECOND}


def test_instead_of_a_refused_token_the_one_that_another_process_stored_is_used(processes: Processes) -> None:
    mine = processes.start()
    processes.find(mine)
    processes.find(refused=FIRST)

    assert processes.find(mine, refused=FIRST) == SECOND
    assert len(processes.address.asked) == 2


def test_who_finds_the_lease_taken_uses_what_the_holder_stores(processes: Processes) -> None:
    processes.find()
    text = processes.parameter()["Value"]
    processes.clock.work(3600)
    processes.hold_the_lease()
    later = json.dumps(
        json.loads(text) | {"access_token": f"{TOKEN}-9", "expires_at": processes.clock() + 60}
    )
    processes.while_waiting = [lambda: None, lambda: processes.store(later)]

    assert processes.find() == f"{TOKEN}-9"
    assert len(processes.address.asked) == 1


def test_who_looked_before_another_stored_and_holds_the_lease_after_it_uses_what_is_stored(
    processes: Processes, meanwhile: Meanwhile
) -> None:
    other = processes.start()
    meanwhile(lambda: processes.find(other))

    assert processes.find() == FIRST
    assert len(processes.address.asked) == 1


def test_who_finds_the_lease_taken_by_one_that_ended_waits_in_vain(processes: Processes) -> None:
    processes.hold_the_lease()
    started = processes.clock.now

    with pytest.raises(UpstreamTimeoutError):
        processes.find(seconds=6.0)
    assert processes.clock.now <= started + 6.0
    assert processes.address.asked == []


def test_who_waits_looks_seldom_at_what_the_whole_account_shares(
    processes: Processes, traffic: Traffic
) -> None:
    processes.hold_the_lease()
    processes.clock.sleeps.clear()
    traffic.calls.clear()

    with pytest.raises(UpstreamTimeoutError):
        processes.find(seconds=6.0)

    assert len(processes.clock.sleeps) > 1
    assert min(processes.clock.sleeps) >= 0.4
    assert traffic.calls.count("GetParameter") == len(processes.clock.sleeps) + 1


def test_who_comes_when_the_lease_is_over_asks(processes: Processes) -> None:
    processes.hold_the_lease()
    processes.clock.work(LEASE_SECONDS + 1)

    assert processes.find() == FIRST


def test_who_waits_longer_than_the_lease_asks_in_the_end(processes: Processes) -> None:
    processes.hold_the_lease()

    assert processes.find(seconds=20) == FIRST


@pytest.mark.parametrize(
    "changes",
    [{"client_id": "another"}, {"token_url": "https://another.invalid/token"}, {"scope": "another"}],
    ids=str,
)
def test_a_token_of_another_client_is_not_used(processes: Processes, changes: dict[str, object]) -> None:
    process = processes.start()
    processes.find(process)

    assert processes.find(process, of=site(**changes)) == SECOND
    assert processes.find(of=site(**changes)) == SECOND


def test_a_new_secret_of_the_same_client_keeps_its_token(processes: Processes) -> None:
    processes.find()

    assert processes.find(of=site(client_secret="another")) == FIRST


@pytest.mark.parametrize("value", ["zq7", "{}", "[]", '{"access_token": 1}'])
def test_what_is_stored_and_no_token_is_replaced(processes: Processes, value: str) -> None:
    processes.store(value)

    assert [processes.find(), processes.find()] == [FIRST] * 2


@pytest.mark.parametrize("changes", [{"token_type": "bearer"}, {"scope": "less"}, {"more": "x"}], ids=str)
def test_a_token_is_one_in_every_spelling(processes: Processes, changes: dict[str, object]) -> None:
    processes.address.answer = processes.address.giving(**changes)

    assert processes.find() == f"{TOKEN}-0"


def test_the_table_holds_the_lease_and_no_token(processes: Processes) -> None:
    process = processes.start()
    processes.find(process)
    processes.find(process, refused=FIRST)

    [item] = processes.stored.everything()
    assert item["pk"] == f"ACCESS_TOKEN#{OAUTH_SITE}"
    assert "zq7" not in str(item)


def test_each_site_has_a_token_of_its_own(processes: Processes) -> None:
    process = processes.start()
    other = site().model_copy(update={"identifier": "S1"})

    assert [processes.find(process), processes.find(process, of=other)] == [FIRST, SECOND]
    assert [processes.find(), processes.find(of=other)] == [FIRST, SECOND]


def test_the_client_proves_itself_in_a_header_form_encoded_first(processes: Processes) -> None:
    processes.find(of=site(scope="payments orders"))

    [asked] = processes.address.asked
    kind, both = asked["headers"]["authorization"].split(" ")
    assert kind == "Basic"
    client_id, secret = b64decode(both).decode().split(":")
    assert (client_id, secret) == ("zq7+client%3Aours", "zq7%2Fclient+secret%2Bof%3Aours")
    assert (unquote_plus(client_id), unquote_plus(secret)) == (CLIENT["client_id"], CLIENT_SECRET)
    assert asked["form"] == {"grant_type": ["client_credentials"], "scope": ["payments orders"]}
    assert asked["headers"]["content-type"] == "application/x-www-form-urlencoded"


def test_the_client_proves_itself_in_the_body_where_that_is_set(processes: Processes) -> None:
    processes.find(of=site(client_authentication="body"))

    [asked] = processes.address.asked
    assert "authorization" not in asked["headers"]
    assert asked["form"] == {
        "grant_type": ["client_credentials"],
        "client_id": [CLIENT["client_id"]],
        "client_secret": [CLIENT_SECRET],
    }
