"""Run the functions in one process, with moto instead of AWS and without network. moto supports one thread only."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws
from moto.core.models import MockAWS

from paynearme import policy_provider
from paynearme.client import paynearme_client
from paynearme.platform import aws_clients, observability
from paynearme.platform.deadline import Deadline
from paynearme.policy_provider import PolicyProvider
from paynearme.sites import site_provider
from paynearme.sites.site_provider import SiteProvider
from tests.support.api_driver import ACCEPTED_REPLY, ApiDriver, SubmissionScenario
from tests.support.aws_errors import MARKER
from tests.support.cached_clients import CachedClients
from tests.support.callback_driver import CallbackDriver
from tests.support.callback_fixtures import SITE, SITES
from tests.support.fake_appconfig import ACCEPTING_POLICY, FakeAppConfig
from tests.support.fake_clock import Clock
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture, SitesSecret
from tests.support.interleaving import Interleaver
from tests.support.paynearme_stub import PayNearMeStub
from tests.support.stream_reader import StreamReader
from tests.support.template import RESOURCES
from tests.support.token_endpoint_stub import PATH, TokenEndpointStub

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

TABLE_NAME = "payments"
KEYS_AND_INDEXES: Any = {
    name: RESOURCES["LedgerTable"]["Properties"][name]
    for name in ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
}
SECRET_NAME = "paynearme-sites"
CREDENTIALS: Any = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
ENVIRONMENT = {
    "SITES_SECRET": SECRET_NAME,
    "TABLE_NAME": TABLE_NAME,
    "ACCESS_TOKENS_PATH": PATH,
    "POLICY_APPLICATION": "payments",
    "POLICY_ENVIRONMENT": "test",
    "POLICY_PROFILE": "policy",
    "PAYNEARME_BASE_URL": "https://api.paynearme.invalid",
    "AWS_DEFAULT_REGION": "us-east-1",
    "POWERTOOLS_METRICS_NAMESPACE": "PayNearMe",
}


_after, _run = Deadline.after, Deadline.run


class StandardOutput:
    """The current standard output, because pytest replaces it in each phase of a test."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


@pytest.fixture(autouse=True)
def no_network(socket_disabled: None) -> None:
    """Disable sockets."""


@pytest.fixture(autouse=True)
def no_delays(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Let deadlines pass only by sleeps, which take no time, and run each attempt in the same thread to its end.

    So a result never depends on the speed of moto.
    """

    def after(seconds: float, own_clock: Clock = clock, sleep: Callable[[float], None] = clock.sleep) -> Deadline:
        return Deadline(own_clock() + seconds, own_clock, sleep)

    def run[T](deadline: Deadline, function: Callable[[], T]) -> T:
        if deadline.remaining <= 0:
            raise TimeoutError
        return function()

    monkeypatch.setattr(Deadline, "after", after)
    monkeypatch.setattr(Deadline, "run", run)


@pytest.fixture
def limited_attempts(no_delays: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit the attempts by the system's time, as in production."""
    monkeypatch.setattr(Deadline, "after", _after)
    monkeypatch.setattr(Deadline, "run", _run)


@pytest.fixture(scope="session")
def cached_clients(aws: MockAWS) -> CachedClients:
    """boto3's clients, with the hooks of the current test only."""
    return CachedClients(boto3.Session(**CREDENTIALS))


@pytest.fixture(scope="session")
def aws() -> Iterator[MockAWS]:
    """moto, started once, because a start takes longer than a reset."""
    with mock_aws() as moto:
        yield moto


@pytest.fixture(autouse=True)
def empty_aws(monkeypatch: pytest.MonkeyPatch, aws: MockAWS, cached_clients: CachedClients) -> None:
    """Reset AWS, and set the functions' environment."""
    aws.reset()
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", cached_clients)
    monkeypatch.setattr(aws_clients, "shared_session", lambda: cached_clients)


@pytest.fixture(scope="session")
def dynamodb(aws: MockAWS) -> "DynamoDBClient":
    return boto3.Session(**CREDENTIALS).client("dynamodb")


@pytest.fixture(scope="session")
def secretsmanager(aws: MockAWS) -> "SecretsManagerClient":
    return boto3.Session(**CREDENTIALS).client("secretsmanager")


@pytest.fixture
def ledger_table(dynamodb: "DynamoDBClient") -> LedgerFixture:
    dynamodb.create_table(TableName=TABLE_NAME, **KEYS_AND_INDEXES)
    return LedgerFixture(dynamodb, TABLE_NAME)


@pytest.fixture
def stream_reader(ledger_table: LedgerFixture) -> StreamReader:
    """Enable the table's stream. Not a default, because it makes each transaction slower."""
    return StreamReader.enable(ledger_table)


@pytest.fixture
def sites_secret(secretsmanager: "SecretsManagerClient") -> SitesSecret:
    secretsmanager.create_secret(Name=SECRET_NAME, SecretString=json.dumps({"sites": SITES}))
    return SitesSecret(secretsmanager, SECRET_NAME)


@pytest.fixture
def aws_calls(
    cached_clients: CachedClients, ledger_table: LedgerFixture, sites_secret: SitesSecret
) -> Iterator[AwsCallRecorder]:
    recorder = AwsCallRecorder()
    with (
        cached_clients.with_hook("before-call", recorder.on_request),
        cached_clients.with_hook("after-call", recorder.on_response),
    ):
        yield recorder


@pytest.fixture
def deployed_policy(cached_clients: CachedClients) -> Iterator[FakeAppConfig]:
    """The policy in AppConfig, which moto does not support."""
    stub = FakeAppConfig()
    stub.put(ACCEPTING_POLICY)
    with cached_clients.with_hook("before-call.appconfigdata", stub.respond_to_function):
        yield stub


@pytest.fixture
def advance_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Advance the clock of the cached sites and policies in functions that start after this fixture."""
    clock = Clock()
    monkeypatch.setattr(site_provider, "SiteProvider", partial(SiteProvider, clock=clock))
    monkeypatch.setattr(policy_provider, "PolicyProvider", partial(PolicyProvider, clock=clock))
    return clock.advance


@pytest.fixture
def cold_start(
    aws_calls: AwsCallRecorder, deployed_policy: FakeAppConfig, advance_clock: Callable[[float], None]
) -> Iterator[Callable[[str], LambdaFunction]]:
    """Import a function's module again, as a new Lambda environment does."""
    imported = []

    def start(name: str) -> LambdaFunction:
        module = f"functions.{name}.app"
        sys.modules.pop(module, None)
        imported.append(module)
        return LambdaFunction(importlib.import_module(module))

    yield start
    for module in imported:
        sys.modules.pop(module, None)


@pytest.fixture
def authorize(cold_start: Callable[[str], LambdaFunction]) -> LambdaFunction:
    return cold_start("authorize")


@pytest.fixture
def confirm(cold_start: Callable[[str], LambdaFunction]) -> LambdaFunction:
    return cold_start("confirm")


@pytest.fixture
def reverse(cold_start: Callable[[str], LambdaFunction]) -> LambdaFunction:
    return cold_start("reverse")


@pytest.fixture
def callback_driver(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    ledger_table: LedgerFixture,
    cold_start: Callable[[str], LambdaFunction],
) -> CallbackDriver:
    return CallbackDriver(authorize, confirm, cold_start("sweep_unconfirmed"), ledger_table)


@pytest.fixture
def api_driver(cold_start: Callable[[str], LambdaFunction]) -> ApiDriver:
    return ApiDriver(cold_start)


@pytest.fixture
def token_endpoint(monkeypatch: pytest.MonkeyPatch) -> TokenEndpointStub:
    stub = TokenEndpointStub()
    monkeypatch.setattr("paynearme.client.access_token_cache.PoolManager", stub)
    return stub


@pytest.fixture
def paynearme(monkeypatch: pytest.MonkeyPatch, token_endpoint: TokenEndpointStub) -> PayNearMeStub:
    stub = PayNearMeStub()
    monkeypatch.setattr("paynearme.client.paynearme_client.PoolManager", stub)
    monkeypatch.setenv("DEFAULT_SITE_IDENTIFIER", SITE)
    return stub


@pytest.fixture
def paynearme_behind_urllib3(paynearme: PayNearMeStub, monkeypatch: pytest.MonkeyPatch) -> PayNearMeStub:
    """PayNearMe behind urllib3's connection pool, without the waiting time of retries."""
    monkeypatch.setattr("paynearme.client.paynearme_client.PoolManager", paynearme.behind_urllib3)
    policy = paynearme_client._retry_policy
    without_wait = {"backoff_factor": 0, "backoff_jitter": 0}
    monkeypatch.setattr(paynearme_client, "_retry_policy", lambda **options: policy(**options).new(**without_wait))
    return paynearme


@pytest.fixture
def get_smart_token(paynearme: PayNearMeStub, cold_start: Callable[[str], LambdaFunction]) -> LambdaFunction:
    return cold_start("get_smart_token")


@pytest.fixture
def submission(
    paynearme: PayNearMeStub,
    cold_start: Callable[[str], LambdaFunction],
    confirm: LambdaFunction,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
) -> Iterator[SubmissionScenario]:
    """Submit payments, which PayNearMe accepts. At the end, check that no secret is stored or logged."""
    paynearme.default_reply = paynearme.replying(200, ACCEPTED_REPLY)
    yield SubmissionScenario(ApiDriver(cold_start), paynearme, confirm, ledger_table)
    output = str(ledger_table.all_items()) + captured_output.text()
    secrets = {SITES[SITE]["secret"], *(sent.get("signature", MARKER) for sent in paynearme.sent)}
    assert not [secret for secret in (MARKER, "_pii", *secrets) if secret in output]


@pytest.fixture
def interleave(monkeypatch: pytest.MonkeyPatch) -> Interleaver:
    return Interleaver().attach(monkeypatch)


@pytest.fixture(autouse=True)
def captured_output(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CapturedOutput:
    for handler in observability.logger.handlers:
        monkeypatch.setattr(handler, "stream", StandardOutput())
    # A test that calls code outside of a handler leaves fields and metrics.
    observability.reset()
    return CapturedOutput(capsys)
