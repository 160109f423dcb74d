"""The warm calls that the benchmarks compare. Each process prepares one of them."""

import importlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import boto3
from botocore.session import get_session

from benchmarks.aws_stub import SITE, AwsStub
from benchmarks.peers.message import SECRET
from sandbox.clients.sample_messages import api_gateway_event, load
from sandbox.fake_paynearme.messages import build_confirmation, build_reversal, signed
from sandbox.stack.sites import GAMING_SITE

type Call = Callable[[], object]

ENVIRONMENT: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_SESSION_TOKEN": "t" * 300,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
    "POLICY_APPLICATION": "application",
    "POLICY_CACHE_SECONDS": "86400",
    "POLICY_ENVIRONMENT": "environment",
    "POLICY_PROFILE": "profile",
    "POWERTOOLS_SERVICE_NAME": "benchmark",
    "POWERTOOLS_TRACE_DISABLED": "true",
    "SITES_CACHE_SECONDS": "86400",
    "SITES_SECRET": "sites",
    "TABLE_NAME": "payments",
}
"""The environment variables of the functions and of the peers."""


@dataclass
class LambdaContext:
    """The context of an invocation."""

    aws_request_id: str = "8d9d0fd5-0f0c-4c31-9f1d-2f5b6a3b7f43"
    function_name: str = "benchmark"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:benchmark"

    def get_remaining_time_in_millis(self) -> int:
        """Return the remaining milliseconds."""
        return 9000


def event_of(operation: str, site: str = SITE) -> dict[str, Any]:
    """Return the event of a signed callback in JSON, encoded as API Gateway does."""
    message = {**load("authorization")["credit"], "site_identifier": site}
    if operation == "confirm":
        message = build_confirmation(message)
    elif operation == "reverse":
        message = build_reversal(build_confirmation(message))
    # Its age must not exceed the maximum during the benchmark.
    sent = signed(message, SECRET, timestamp=int(time.time()))
    return api_gateway_event(sent, "json", f"/callbacks/{operation}", base64_encoded=True)


def _invoke(handler: Callable[[Any, Any], Mapping[str, Any]], event: dict[str, Any]) -> object:
    response = handler(event, LambdaContext())
    if response["statusCode"] != 200:
        raise RuntimeError("the callback was rejected")
    return response


def _peer(name: str, stub: AwsStub) -> Call:
    session = get_session()
    session.register("before-send", stub.answer)
    boto3.setup_default_session(botocore_session=session)
    handler = importlib.import_module(f"benchmarks.peers.{name}").handler
    return partial(_invoke, handler, event_of("authorize"))


def _callback(operation: str, stub: AwsStub, site: str = SITE, duplicate: bool = False) -> Call:
    from paynearme.platform.aws_clients import shared_session

    shared_session().register("before-send", stub.answer)
    if site == GAMING_SITE:
        stub.put_merchant_data(site, load("authorization")["credit"])
    app = importlib.import_module(f"functions.{operation}.app")
    call = partial(_invoke, app.handler, event_of(operation, site))
    if duplicate:
        call()
        stub.store_writes()
        stub.conflicts = True
    return call


def _bare(operation: str, stub: AwsStub, site: str = SITE) -> Call:
    """Return the requests of a callback, sent by a default boto3 client."""
    _callback(operation, stub, site)()
    requests = [(name, parameters) for name, parameters, _ in stub.requests]
    client = boto3.client("dynamodb")
    client.meta.events.register("before-send", stub.answer)
    methods: dict[str, Callable[..., object]] = {
        "BatchGetItem": client.batch_get_item,
        "TransactWriteItems": client.transact_write_items,
    }
    calls = [partial(methods[name], **parameters) for name, parameters in requests]
    return lambda: [call() for call in calls]


def _without_aws(stub: AwsStub, *, with_log: bool) -> Call:
    """Return an authorization with a table that answers in the process."""
    from paynearme.platform import observability

    call = _callback("authorize", stub)
    app = importlib.import_module("functions.authorize.app")
    call()
    app.table.read = lambda keys, deadline: [{} for _ in keys]
    app.table.transact = lambda updates, deadline: None
    if not with_log:
        observability.flush = lambda *_: None
    return call


CASES: Mapping[str, Callable[[AwsStub], Call]] = {
    "floor": partial(_peer, "floor"),
    "floor + one boto3 put": partial(_peer, "one_put"),
    "Powertools in full, no DynamoDB": partial(_peer, "powertools_full"),
    "Powertools @idempotent": partial(_peer, "powertools_idempotent"),
    "bare boto3, requests of authorize": partial(_bare, "authorize"),
    "bare boto3, requests of authorize, gaming": partial(_bare, "authorize", site=GAMING_SITE),
    "bare boto3, requests of confirm": partial(_bare, "confirm"),
    "authorize": partial(_callback, "authorize"),
    "authorize, gaming policy": partial(_callback, "authorize", site=GAMING_SITE),
    "authorize, duplicate": partial(_callback, "authorize", duplicate=True),
    "confirm": partial(_callback, "confirm"),
    "confirm, duplicate": partial(_callback, "confirm", duplicate=True),
    "reverse": partial(_callback, "reverse"),
    "authorize without AWS": partial(_without_aws, with_log=True),
    "authorize without AWS, log and metrics": partial(_without_aws, with_log=False),
}
"""The calls by name. Each prepares a new process."""


def prepare(name: str, stub: AwsStub) -> Call:
    """Return the call of a case, after it ran once."""
    os.environ.update(ENVIRONMENT)
    call = CASES[name](stub)
    call()
    return call
