"""The functions in one process, with moto as AWS and no network. moto is for one thread only."""

import importlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters import base as powertools_cache
from moto import mock_aws
from moto.core.models import MockAWS

from paynearme import telemetry
from tests.integration.backend_calls import Backend
from tests.integration.deployed_policy import ACCEPTING, DeployedPolicy
from tests.integration.kept_clients import KeptClients
from tests.integration.making_payments import MARKER, TAKEN, Making
from tests.integration.meanwhile import Meanwhile
from tests.integration.observed import Function, StandardOutput, Stored, StoredSites, Traffic, Written
from tests.integration.paynearme_stub import PayNearMeStub
from tests.integration.quicker_moto import share_stream_records, spare_repeated_checks
from tests.integration.signed_callbacks import SITE, SITES
from tests.integration.streamed import Streamed
from tests.integration.token_address import OAUTH, OAUTH_SITE, PATH, Processes, TokenAddress
from tests.template import RESOURCES

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient

TABLE_NAME = "payments"
KEYS_AND_INDEXES: Any = {
    name: RESOURCES["Table"]["Properties"][name]
    for name in ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
}
SECRET_NAME = "paynearme-sites"
CREDENTIALS: Any = {
    "aws_access_key_id": "testing",
    "aws_secret_access_key": "testing",
    "region_name": "us-east-1",
}
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


@pytest.fixture(autouse=True)
def no_network(socket_disabled: None) -> None:
    """Let no test of this directory open a socket."""


@pytest.fixture(scope="session")
def kept_clients(aws: MockAWS) -> KeptClients:
    """The clients that boto3 gives, with no hooks but a test's own."""
    return KeptClients(boto3.Session(**CREDENTIALS))


@pytest.fixture(scope="session")
def aws() -> Iterator[MockAWS]:
    """moto: to start it takes longer than to forget what a test left in it."""
    with pytest.MonkeyPatch.context() as patch, mock_aws() as started:
        spare_repeated_checks(patch)
        share_stream_records(patch)
        yield started


@pytest.fixture(autouse=True)
def empty_aws(monkeypatch: pytest.MonkeyPatch, aws: MockAWS, kept_clients: KeptClients) -> None:
    """An AWS account with nothing in it, and the functions' environment."""
    aws.reset()
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", kept_clients)


@pytest.fixture(scope="session")
def dynamodb(aws: MockAWS) -> "DynamoDBClient":
    return boto3.Session(**CREDENTIALS).client("dynamodb")


@pytest.fixture(scope="session")
def secretsmanager(aws: MockAWS) -> "SecretsManagerClient":
    return boto3.Session(**CREDENTIALS).client("secretsmanager")


@pytest.fixture
def ssm(empty_aws: None, traffic: Traffic) -> "SSMClient":
    return boto3.client("ssm")


@pytest.fixture
def stored(dynamodb: "DynamoDBClient") -> Stored:
    dynamodb.create_table(TableName=TABLE_NAME, **KEYS_AND_INDEXES)
    return Stored(dynamodb, TABLE_NAME)


@pytest.fixture
def streamed(stored: Stored) -> Streamed:
    """The table's stream. Only here is there one: each transaction would copy all that is in it."""
    return Streamed.of(stored)


@pytest.fixture
def stored_sites(secretsmanager: "SecretsManagerClient") -> StoredSites:
    secretsmanager.create_secret(Name=SECRET_NAME, SecretString=json.dumps({"sites": SITES}))
    return StoredSites(secretsmanager, SECRET_NAME)


@pytest.fixture
def traffic(kept_clients: KeptClients, stored: Stored, stored_sites: StoredSites) -> Iterator[Traffic]:
    """What the functions call."""
    traffic = Traffic()
    with (
        kept_clients.hooked("before-call", traffic.before),
        kept_clients.hooked("after-call", traffic.after),
    ):
        yield traffic


@pytest.fixture
def deployed_policy(kept_clients: KeptClients) -> Iterator[DeployedPolicy]:
    """The policy in AppConfig, which moto does not know."""
    deployed = DeployedPolicy()
    deployed.put(ACCEPTING)
    with kept_clients.hooked("before-call.appconfigdata", deployed.answer):
        yield deployed


@pytest.fixture
def pass_seconds(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass for what Powertools keeps. By itself it stands still."""

    class Later(datetime):
        passed = timedelta()

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(2026, 11, 20, tzinfo=tz) + cls.passed

    def wait(seconds: float) -> None:
        Later.passed += timedelta(seconds=seconds)

    monkeypatch.setattr(powertools_cache, "datetime", Later)
    return wait


@pytest.fixture
def cold_start(traffic: Traffic, deployed_policy: DeployedPolicy) -> Iterator[Callable[[str], Function]]:
    """Imports a function's module as a new Lambda environment does."""
    started = []

    def start(name: str) -> Function:
        module = f"functions.{name}.app"
        sys.modules.pop(module, None)
        started.append(module)
        return Function(importlib.import_module(module))

    yield start
    for module in started:
        sys.modules.pop(module, None)


@pytest.fixture
def authorize(cold_start: Callable[[str], Function]) -> Function:
    return cold_start("authorize")


@pytest.fixture
def confirm(cold_start: Callable[[str], Function]) -> Function:
    return cold_start("confirm")


@pytest.fixture
def reverse(cold_start: Callable[[str], Function]) -> Function:
    return cold_start("reverse")


@pytest.fixture
def token_address(monkeypatch: pytest.MonkeyPatch) -> TokenAddress:
    stub = TokenAddress()
    monkeypatch.setattr("paynearme.access_tokens.PoolManager", stub)
    return stub


@pytest.fixture
def processes(traffic: Traffic, stored: Stored, ssm: "SSMClient") -> Processes:
    return Processes(stored, ssm)


@pytest.fixture
def oauth_site(stored_sites: StoredSites) -> str:
    """A site whose calls carry access tokens, beside those that sign."""
    stored_sites.put({"sites": {**SITES, OAUTH_SITE: OAUTH}})
    return OAUTH_SITE


@pytest.fixture
def paynearme(monkeypatch: pytest.MonkeyPatch, token_address: TokenAddress) -> PayNearMeStub:
    stub = PayNearMeStub()
    monkeypatch.setattr("paynearme.client.PoolManager", stub)
    monkeypatch.setenv("DEFAULT_SITE_IDENTIFIER", SITE)
    return stub


@pytest.fixture
def paynearme_behind_urllib3(paynearme: PayNearMeStub, monkeypatch: pytest.MonkeyPatch) -> PayNearMeStub:
    """PayNearMe, with all that urllib3 does by itself between it and the client, but the waiting."""
    monkeypatch.setattr("paynearme.client.PoolManager", paynearme.behind_urllib3)
    monkeypatch.setattr("urllib3.Retry.sleep", lambda *_: None)
    return paynearme


@pytest.fixture
def get_smart_token(paynearme: PayNearMeStub, cold_start: Callable[[str], Function]) -> Function:
    return cold_start("get_smart_token")


@pytest.fixture
def making(
    paynearme: PayNearMeStub,
    cold_start: Callable[[str], Function],
    confirm: Function,
    stored: Stored,
    written: Written,
) -> Iterator[Making]:
    """Asks for payments, which PayNearMe takes. Looks afterwards at all that was stored and written."""
    paynearme.answer = paynearme.saying(200, TAKEN)
    yield Making(Backend(cold_start), paynearme, confirm, stored)
    left = str(stored.everything()) + written.text()
    secrets = {SITES[SITE]["secret"], *(sent.get("signature", MARKER) for sent in paynearme.sent)}
    assert not [secret for secret in (MARKER, "_pii", *secrets) if secret in left]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    return Meanwhile().watch(monkeypatch)


@pytest.fixture(autouse=True)
def written(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Written:
    for handler in telemetry.logger.handlers:
        monkeypatch.setattr(handler, "stream", StandardOutput())
    # A call that ended badly, or what was asked for without one, may have left something behind.
    monkeypatch.setattr(telemetry, "_notes", {})
    monkeypatch.setattr(telemetry, "_counts", Counter())
    telemetry.metrics.clear_metrics()
    return Written(capsys)
