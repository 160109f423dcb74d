from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
from botocore.awsrequest import AWSResponse, HTTPHeaders

from operations.isolated_session import isolated_session

# Each of these settings makes an ordinary session fail, or changes its requests.
SETTINGS = {
    "AWS_PROFILE": "no-such-profile",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "other",
    "AWS_SECRET_ACCESS_KEY": "other",
    "AWS_SESSION_TOKEN": "other",
    "AWS_ENDPOINT_URL": "http://example.com",
    "AWS_ENDPOINT_URL_DYNAMODB": "http://example.com",
    "AWS_CA_BUNDLE": "/no/such/file",
    "AWS_RETRY_MODE": "no-such-mode",
    "AWS_MAX_ATTEMPTS": "many",
    "AWS_DEFAULTS_MODE": "no-such-mode",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "HTTP_PROXY": "http://example.com",
}


def test_isolated_session_ignores_settings_of_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / ".aws" / "config"
    broken.parent.mkdir()
    broken.write_text("[no section")
    files = {"HOME": str(tmp_path), "AWS_CONFIG_FILE": str(broken), "AWS_SHARED_CREDENTIALS_FILE": str(broken)}
    for name, value in (SETTINGS | files).items():
        monkeypatch.setenv(name, value)
    requests: list[Any] = []

    def send(request: Any, **_: Any) -> AWSResponse:
        requests.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), urllib3.HTTPResponse(BytesIO(b"{}"), preload_content=False))

    session = boto3.Session("key", "secret", region_name="us-east-1", botocore_session=isolated_session())
    client: Any = session.client("dynamodb", endpoint_url="http://127.0.0.1:1")
    client.meta.events.register("before-send.dynamodb.ListTables", send)
    client.list_tables()

    (request,) = requests
    assert request.url == "http://127.0.0.1:1/"
    assert b"Credential=key/" in request.headers["Authorization"]
    assert b"/us-east-1/dynamodb/" in request.headers["Authorization"]
    assert "X-Amz-Security-Token" not in request.headers
    assert client.meta.config.proxies == {}
