"""The requests and error responses of the AWS services behind the fault proxy."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

UNKNOWN_OPERATION = "other"
"""The operation of a request that is not recognized."""

Service = Literal["appconfigdata", "dynamodb", "events", "secretsmanager", "sqs", "ssm"]
_SERVICES: Mapping[str, Service] = {
    "AWSEvents": "events",
    "AmazonSQS": "sqs",
    "AmazonSSM": "ssm",
    "AppConfigData": "appconfigdata",
    "DynamoDB_20120810": "dynamodb",
    "secretsmanager": "secretsmanager",
}
# Requests to a REST service have no X-Amz-Target.
_REST_OPERATIONS: Mapping[tuple[str, str], str] = {
    ("POST", "/configurationsessions"): "AppConfigData.StartConfigurationSession",
    ("GET", "/configuration"): "AppConfigData.GetLatestConfiguration",
}
CONTENT_TYPES: Mapping[Service, str] = {
    "appconfigdata": "application/json",
    "dynamodb": "application/x-amz-json-1.0",
    "events": "application/x-amz-json-1.1",
    "secretsmanager": "application/x-amz-json-1.1",
    "sqs": "application/x-amz-json-1.0",
    "ssm": "application/x-amz-json-1.1",
}


@dataclass(frozen=True)
class _Error:
    """An error response of a service."""

    status: int
    name: str
    text: str


_DYNAMODB = "com.amazonaws.dynamodb.v20120810"
_SQS = "com.amazonaws.sqs"
_ERRORS: Mapping[str, Mapping[Service, _Error]] = {
    "throttle": {
        "appconfigdata": _Error(429, "ThrottlingException", "Rate exceeded"),
        "dynamodb": _Error(400, f"{_DYNAMODB}#ProvisionedThroughputExceededException", "Throughput exceeded"),
        "events": _Error(400, "ThrottlingException", "Rate exceeded"),
        "secretsmanager": _Error(400, "ThrottlingException", "Rate exceeded"),
        "sqs": _Error(400, f"{_SQS}#RequestThrottled", "The request was denied due to request throttling."),
        "ssm": _Error(400, "ThrottlingException", "Rate exceeded"),
    },
    "error500": {
        "appconfigdata": _Error(500, "InternalServerException", "There was an internal failure in the service."),
        "dynamodb": _Error(500, f"{_DYNAMODB}#InternalServerError", "The request has failed."),
        "events": _Error(500, "InternalException", "This exception occurs due to unexpected causes."),
        "secretsmanager": _Error(500, "InternalServiceError", "An error occurred on the server side."),
        "sqs": _Error(500, f"{_SQS}#InternalError", "The request processing has failed."),
        "ssm": _Error(500, "InternalServerError", "An error occurred on the server side."),
    },
}


def operation_of(request: web.Request) -> str:
    """Return the service and the operation of ``request``, separated by a dot, or ``UNKNOWN_OPERATION``."""
    rest_operation = _REST_OPERATIONS.get((request.method, request.path), UNKNOWN_OPERATION)
    return request.headers.get("X-Amz-Target", rest_operation)


def service_of(operation: str) -> Service | None:
    """Return the service of an operation, or None if the operation is unknown."""
    return _SERVICES.get(operation.partition(".")[0])


def error_response(service: Service, mode: Literal["throttle", "error500"]) -> web.Response:
    """Return the throttling error or the server error of the service."""
    error = _ERRORS[mode][service]
    headers = {"Content-Type": CONTENT_TYPES[service], "x-amzn-RequestId": str(uuid.uuid4())}
    if service == "appconfigdata":
        # A REST service returns the error code in a header.
        headers["x-amzn-errortype"] = error.name
        content = {"Message": error.text}
    else:
        content = {"__type": error.name, "message": error.text}
    if service == "sqs":
        # Clients of SQS prefer the error code of the former query protocol to the body's.
        error_source = "Receiver" if error.status >= 500 else "Sender"
        headers["x-amzn-query-error"] = f"{error.name.rpartition('#')[2]};{error_source}"
    return web.Response(status=error.status, headers=headers, body=json.dumps(content).encode())
