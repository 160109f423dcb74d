"""Powertools' idempotency: two DynamoDB requests for a message. It verifies a signature and posts nothing."""

import base64
import json
from typing import Any

import boto3
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent

from benchmarks.peers.message import CallbackModel, acceptance, is_authentic

_config = IdempotencyConfig(event_key_jmespath="body")
_store = DynamoDBPersistenceLayer(table_name="payments", boto3_client=boto3.client("dynamodb"))


@idempotent(persistence_store=_store, config=_config)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Accept an authentic payment once."""
    parameters = json.loads(base64.b64decode(event["body"]))
    message = CallbackModel.model_validate(parameters)
    status = 200 if is_authentic(parameters) else 401
    return {"statusCode": status, "body": json.dumps(acceptance(message.pnm_order_identifier))}
