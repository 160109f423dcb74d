from typing import TYPE_CHECKING

import boto3
import pytest

from paynearme.platform.dynamodb import Table
from tests.support.callback_fixtures import SITES
from tests.support.harness import AwsCallRecorder, LedgerFixture, SitesSecret
from tests.support.token_endpoint_stub import OAUTH, OAUTH_SITE, WorkerProcesses

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


@pytest.fixture
def ssm(empty_aws: None, aws_calls: AwsCallRecorder) -> "SSMClient":
    return boto3.client("ssm")


@pytest.fixture
def processes(aws_calls: AwsCallRecorder, ledger_table: LedgerFixture, ssm: "SSMClient") -> WorkerProcesses:
    return WorkerProcesses(Table(ledger_table.table_name), ssm)


@pytest.fixture
def oauth_site(sites_secret: SitesSecret) -> str:
    """A site with OAuth credentials."""
    sites_secret.put({"sites": {**SITES, OAUTH_SITE: OAUTH}})
    return OAUTH_SITE
