import json
from base64 import b64decode
from urllib.parse import unquote_plus

import pytest

from paynearme.client.access_token_cache import EXPIRY_MARGIN_SECONDS, LEASE_SECONDS
from paynearme.errors import UpstreamTimeoutError
from paynearme.platform.dynamodb import SCHEMA_VERSION
from tests.support.harness import AwsCallRecorder, LedgerFixture
from tests.support.interleaving import Interleaver
from tests.support.token_endpoint_stub import CLIENT, CLIENT_SECRET, OAUTH_SITE, TOKEN, WorkerProcesses, site

FIRST_TOKEN, SECOND_TOKEN = f"{TOKEN}-1", f"{TOKEN}-2"


def test_access_token_first_requested_once_and_stored_encrypted(processes: WorkerProcesses) -> None:
    process = processes.start()

    assert [processes.get_access_token(process) for _ in range(3)] == [FIRST_TOKEN] * 3
    [token_request] = processes.token_endpoint.requests
    assert token_request["to"] == f"POST {CLIENT['token_url']}"
    assert token_request["form"] == {"grant_type": ["client_credentials"]}
    stored_parameter = processes.parameter()
    assert stored_parameter["Type"] == "SecureString"
    assert FIRST_TOKEN in stored_parameter["Value"]


def test_access_token_stored_is_used_by_other_processes(processes: WorkerProcesses) -> None:
    assert [processes.get_access_token() for _ in range(5)] == [FIRST_TOKEN] * 5
    assert len(processes.token_endpoint.requests) == 1


def test_access_token_stored_is_read_within_short_deadline(processes: WorkerProcesses) -> None:
    processes.get_access_token()

    assert processes.get_access_token(seconds=1.0) == FIRST_TOKEN


def test_access_token_cached_in_process_calls_no_service(
    processes: WorkerProcesses, aws_calls: AwsCallRecorder
) -> None:
    process = processes.start()
    processes.get_access_token(process)
    aws_calls.calls.clear()

    processes.get_access_token(process)

    assert aws_calls.calls == []


@pytest.mark.parametrize(
    ("expires_in", "used_seconds"),
    [
        *((3600, 3570), (100, 70), (60, 30), (40, 20), (10, 5), (None, 270), (0, 270), ("3600", 3570)),
        # A long lifetime is limited, because a token can be revoked.
        *((86_400, 86_370), (86_401, 86_370), (10 * 365 * 86_400, 86_370), (10**300, 86_370)),
    ],
    ids=lambda part: f"{part!r:.20}",
)
def test_access_token_is_used_until_margin_before_expiry(
    processes: WorkerProcesses, expires_in: object, used_seconds: float
) -> None:
    assert EXPIRY_MARGIN_SECONDS == 30
    processes.token_endpoint.expires_in = expires_in
    process = processes.start()
    processes.get_access_token(process)

    processes.clock.advance(used_seconds - 0.5)
    assert [processes.get_access_token(process), processes.get_access_token()] == [FIRST_TOKEN] * 2
    processes.clock.advance(1)
    assert [processes.get_access_token(process), processes.get_access_token()] == [SECOND_TOKEN] * 2
    assert len(processes.token_endpoint.requests) == 2


def test_access_token_rejected_replaced_once_for_all_processes(processes: WorkerProcesses) -> None:
    processes_with_token = [processes.start() for _ in range(4)]
    assert {processes.get_access_token(process) for process in processes_with_token} == {FIRST_TOKEN}

    assert {processes.get_access_token(process, rejected_token=FIRST_TOKEN) for process in processes_with_token} == {
        SECOND_TOKEN
    }
    assert len(processes.token_endpoint.requests) == 2
    assert {processes.get_access_token(process) for process in processes_with_token} == {SECOND_TOKEN}


def test_access_token_rejected_newer_stored_one_is_used(processes: WorkerProcesses) -> None:
    first_process = processes.start()
    processes.get_access_token(first_process)
    processes.get_access_token(rejected_token=FIRST_TOKEN)

    assert processes.get_access_token(first_process, rejected_token=FIRST_TOKEN) == SECOND_TOKEN
    assert len(processes.token_endpoint.requests) == 2


def test_lease_of_other_process_uses_access_token_it_stores(processes: WorkerProcesses) -> None:
    processes.get_access_token()
    text = processes.parameter()["Value"]
    processes.clock.advance(3600)
    processes.leave_lease_acquired()
    stored_token = json.dumps(json.loads(text) | {"access_token": f"{TOKEN}-9", "expires_at": processes.clock() + 60})
    processes.during_waits = [lambda: None, lambda: processes.store(stored_token)]

    assert processes.get_access_token() == f"{TOKEN}-9"
    assert len(processes.token_endpoint.requests) == 1


def test_late_lease_owner_uses_stored_access_token(processes: WorkerProcesses, interleave: Interleaver) -> None:
    other_process = processes.start()
    interleave(lambda: processes.get_access_token(other_process))

    assert processes.get_access_token() == FIRST_TOKEN
    assert len(processes.token_endpoint.requests) == 1


def test_lease_of_ended_process_times_out_within_deadline(processes: WorkerProcesses) -> None:
    processes.leave_lease_acquired()
    started = processes.clock.now

    with pytest.raises(UpstreamTimeoutError):
        processes.get_access_token(seconds=6.0)
    assert processes.clock.now <= started + 6.0
    assert processes.token_endpoint.requests == []


def test_lease_item_contains_schema_version(processes: WorkerProcesses, ledger_table: LedgerFixture) -> None:
    processes.leave_lease_acquired()

    assert [item["schema_version"] for item in ledger_table.all_items()] == [SCHEMA_VERSION]


def test_lease_wait_reads_parameter_at_low_rate(processes: WorkerProcesses, aws_calls: AwsCallRecorder) -> None:
    processes.leave_lease_acquired()
    processes.clock.sleeps.clear()
    aws_calls.calls.clear()

    with pytest.raises(UpstreamTimeoutError):
        processes.get_access_token(seconds=6.0)

    assert len(processes.clock.sleeps) > 1
    assert min(processes.clock.sleeps) >= 0.4
    assert aws_calls.calls.count("GetParameter") == len(processes.clock.sleeps) + 1


def test_lease_expired_requests_access_token(processes: WorkerProcesses) -> None:
    processes.leave_lease_acquired()
    processes.clock.advance(LEASE_SECONDS + 1)

    assert processes.get_access_token() == FIRST_TOKEN


def test_lease_expires_during_wait_requests_access_token(processes: WorkerProcesses) -> None:
    processes.leave_lease_acquired()

    assert processes.get_access_token(seconds=20) == FIRST_TOKEN


@pytest.mark.parametrize(
    "changes", [{"client_id": "another"}, {"token_url": "https://another.invalid/token"}, {"scope": "another"}], ids=str
)
def test_access_token_of_other_client_is_not_used(processes: WorkerProcesses, changes: dict[str, object]) -> None:
    process = processes.start()
    processes.get_access_token(process)

    assert processes.get_access_token(process, for_site=site(**changes)) == SECOND_TOKEN
    assert processes.get_access_token(for_site=site(**changes)) == SECOND_TOKEN


def test_access_token_kept_after_client_secret_change(processes: WorkerProcesses) -> None:
    processes.get_access_token()

    assert processes.get_access_token(for_site=site(client_secret="another")) == FIRST_TOKEN


@pytest.mark.parametrize("value", ["zq7", "{}", "[]", '{"access_token": 1}'])
def test_access_token_parameter_malformed_is_replaced(processes: WorkerProcesses, value: str) -> None:
    processes.store(value)

    assert [processes.get_access_token(), processes.get_access_token()] == [FIRST_TOKEN] * 2


@pytest.mark.parametrize("changes", [{"token_type": "bearer"}, {"scope": "less"}, {"more": "x"}], ids=str)
def test_token_endpoint_response_variants_are_accepted(processes: WorkerProcesses, changes: dict[str, object]) -> None:
    processes.token_endpoint.reply = processes.token_endpoint.granting(**changes)

    assert processes.get_access_token() == f"{TOKEN}-0"


def test_lease_item_contains_no_access_token(processes: WorkerProcesses, ledger_table: LedgerFixture) -> None:
    process = processes.start()
    processes.get_access_token(process)
    processes.get_access_token(process, rejected_token=FIRST_TOKEN)

    [item] = ledger_table.all_items()
    assert item["pk"] == f"ACCESS_TOKEN#{OAUTH_SITE}"
    assert "zq7" not in str(item)


def test_access_token_is_separate_for_each_site(processes: WorkerProcesses) -> None:
    process = processes.start()
    other_site = site().model_copy(update={"identifier": "S1"})

    assert [processes.get_access_token(process), processes.get_access_token(process, for_site=other_site)] == [
        FIRST_TOKEN,
        SECOND_TOKEN,
    ]
    assert [processes.get_access_token(), processes.get_access_token(for_site=other_site)] == [
        FIRST_TOKEN,
        SECOND_TOKEN,
    ]


def test_oauth_client_credentials_form_encoded_in_basic_header(processes: WorkerProcesses) -> None:
    processes.get_access_token(for_site=site(scope="payments orders"))

    [token_request] = processes.token_endpoint.requests
    kind, encoded_credentials = token_request["headers"]["authorization"].split(" ")
    assert kind == "Basic"
    client_id, secret = b64decode(encoded_credentials).decode().split(":")
    assert (client_id, secret) == ("zq7+client%3Atest", "zq7%2Fclient+secret%2Bof%3Atest")
    assert (unquote_plus(client_id), unquote_plus(secret)) == (CLIENT["client_id"], CLIENT_SECRET)
    assert token_request["form"] == {"grant_type": ["client_credentials"], "scope": ["payments orders"]}
    assert token_request["headers"]["content-type"] == "application/x-www-form-urlencoded"


def test_oauth_client_credentials_in_body_if_configured(processes: WorkerProcesses) -> None:
    processes.get_access_token(for_site=site(client_authentication="body"))

    [token_request] = processes.token_endpoint.requests
    assert "authorization" not in token_request["headers"]
    assert token_request["form"] == {
        "grant_type": ["client_credentials"],
        "client_id": [CLIENT["client_id"]],
        "client_secret": [CLIENT_SECRET],
    }
