import json
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from urllib.parse import unquote_plus

import pytest

from paynearme.client.access_token_cache import EXPIRY_MARGIN_SECONDS, REJECTION_BACKOFF_SECONDS, AccessTokens
from paynearme.errors import CredentialsRejectedError, UpstreamTimeoutError
from paynearme.platform.dynamodb import SCHEMA_VERSION
from tests.support.client_stubs import RESPONSES, call, new_client
from tests.support.harness import AwsCallRecorder, LedgerFixture
from tests.support.interleaving import Interleaver
from tests.support.paynearme_stub import PayNearMeStub, http_response
from tests.support.token_endpoint_stub import (
    CLIENT,
    CLIENT_SECRET,
    FIRST_TOKEN,
    OAUTH_SITE,
    SECOND_TOKEN,
    TOKEN,
    WorkerProcesses,
    site,
)

THREADS = 8


def test_access_token_first_requested_once_and_stored_encrypted(
    processes: WorkerProcesses, aws_calls: AwsCallRecorder
) -> None:
    process = processes.start()
    assert processes.get_access_token(process) == FIRST_TOKEN
    aws_calls.calls.clear()

    assert processes.get_access_token(process) == FIRST_TOKEN
    # The process has cached the token.
    assert aws_calls.calls == []
    # A stored token needs little time.
    assert processes.get_access_token(seconds=1.0) == FIRST_TOKEN
    [token_request] = processes.token_endpoint.requests
    assert token_request["to"] == f"POST {CLIENT['token_url']}"
    stored_parameter = processes.parameter()
    assert stored_parameter["Type"] == "SecureString"
    assert FIRST_TOKEN in stored_parameter["Value"]


def get_concurrently(processes: WorkerProcesses, process: AccessTokens, rejected_token: str | None = None) -> list[str]:
    """Return the tokens of all threads of a process, which start together."""
    barrier = Barrier(THREADS)

    def get_access_token(_: int) -> str:
        barrier.wait(30)
        return processes.get_access_token(process, rejected_token=rejected_token)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(get_access_token, range(THREADS)))


def test_access_token_concurrent_threads_one_request(processes: WorkerProcesses, aws_calls: AwsCallRecorder) -> None:
    process = processes.start()

    assert get_concurrently(processes, process) == [FIRST_TOKEN] * THREADS
    # The owner of the lease reads the store again.
    assert (len(processes.token_endpoint.requests), aws_calls.calls.count("GetParameter")) == (1, 2)
    assert get_concurrently(processes, process, FIRST_TOKEN) == [SECOND_TOKEN] * THREADS
    assert (len(processes.token_endpoint.requests), aws_calls.calls.count("GetParameter")) == (2, 4)


class RejectedProcess:
    """A process whose tokens PayNearMe rejects. Time passes only when a test advances the clock."""

    def __init__(self, processes: WorkerProcesses) -> None:
        self.clock, self._requests = processes.clock, processes.token_endpoint.requests
        self.pool = PayNearMeStub(http_response(401, b""))
        self.client = new_client(self.pool, processes.start())

    def token_requests(self, operation: str) -> int:
        """Make calls, and return the number of token requests."""
        initial_count = len(self._requests)
        for _ in range(5):
            with pytest.raises(CredentialsRejectedError):
                call(self.client, operation, site(), self.clock.deadline(6.5))
        return len(self._requests) - initial_count


@pytest.mark.parametrize("operation", RESPONSES)
def test_access_token_always_rejected_requested_after_backoff(processes: WorkerProcesses, operation: str) -> None:
    assert REJECTION_BACKOFF_SECONDS == 30
    process = RejectedProcess(processes)

    assert process.token_requests(operation) == 2
    process.clock.advance(29)
    # The backoff applies to each operation.
    assert process.token_requests("make_payment") + process.token_requests("get_smart_token") == 0
    process.clock.advance(2)
    assert 1 <= process.token_requests(operation) <= 2


def test_access_token_accepted_during_backoff_used(processes: WorkerProcesses) -> None:
    process = RejectedProcess(processes)
    process.token_requests("get_smart_token")
    process.pool.default_reply = http_response(200, RESPONSES["get_smart_token"])
    call(process.client, "get_smart_token", site(), process.clock.deadline(6.5))
    assert process.pool.authorizations[-1] == f"Bearer {SECOND_TOKEN}"

    # After an accepted token, the next rejection causes a request at once.
    process.pool.default_reply = http_response(401, b"")
    assert process.token_requests("get_smart_token") == 1


@pytest.mark.parametrize(
    ("expires_in", "used_seconds"),
    [
        *((3600, 3570), (60, 30), (40, 20), (None, 270), (0, 270), ("3600", 3570)),
        # A long lifetime is limited, because a token can be revoked.
        *((86_401, 86_370), (10**300, 86_370)),
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


def test_lease_of_ended_process_times_out_with_few_reads(
    processes: WorkerProcesses, aws_calls: AwsCallRecorder
) -> None:
    processes.leave_lease_acquired()
    processes.clock.sleeps.clear()
    aws_calls.calls.clear()
    started = processes.clock.now

    with pytest.raises(UpstreamTimeoutError):
        processes.get_access_token(seconds=4.5)
    assert processes.clock.now <= started + 4.5
    assert processes.token_endpoint.requests == []

    assert len(processes.clock.sleeps) > 1
    assert min(processes.clock.sleeps) >= 0.4
    assert aws_calls.calls.count("GetParameter") == len(processes.clock.sleeps) + 1


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


def test_access_token_is_separate_for_each_site(processes: WorkerProcesses) -> None:
    process, other_site = processes.start(), site().model_copy(update={"identifier": "S1"})

    for worker in (process, None):
        assert processes.get_access_token(worker) == FIRST_TOKEN
        assert processes.get_access_token(worker, other_site) == SECOND_TOKEN


def test_access_token_kept_after_client_secret_change(processes: WorkerProcesses) -> None:
    processes.get_access_token()

    assert processes.get_access_token(for_site=site(client_secret="another")) == FIRST_TOKEN


@pytest.mark.parametrize("value", ["zq7", "{}"])
def test_access_token_parameter_malformed_is_replaced(processes: WorkerProcesses, value: str) -> None:
    processes.store(value)

    assert [processes.get_access_token(), processes.get_access_token()] == [FIRST_TOKEN] * 2


def test_token_endpoint_response_variant_is_accepted(processes: WorkerProcesses) -> None:
    processes.token_endpoint.reply = processes.token_endpoint.granting(token_type="bearer", scope="less", more="x")

    assert processes.get_access_token() == f"{TOKEN}-0"


def test_lease_item_contains_no_access_token(processes: WorkerProcesses, ledger_table: LedgerFixture) -> None:
    process = processes.start()
    processes.get_access_token(process)
    processes.get_access_token(process, rejected_token=FIRST_TOKEN)

    [item] = ledger_table.all_items()
    assert item["schema_version"] == SCHEMA_VERSION
    assert item["pk"] == f"ACCESS_TOKEN#{OAUTH_SITE}"
    assert "zq7" not in str(item)


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
