"""The minimum of a cold start: a boto3 client, a pydantic model, and one conditional write."""

import base64
import json
from typing import Any

import boto3

from benchmarks.peers.message import CallbackModel, acceptance, is_authentic

client = boto3.client("dynamodb")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Store an authentic payment once, and accept it."""
    parameters = json.loads(base64.b64decode(event["body"]))
    message = CallbackModel.model_validate(parameters)
    client.put_item(
        TableName="payments",
        Item={"pk": {"S": f"PAYMENT#{message.pnm_payment_identifier}"}, "sk": {"S": "PAYMENT"}},
        ConditionExpression="attribute_not_exists(pk)",
    )
    status = 200 if is_authentic(parameters) else 401
    return {"statusCode": status, "body": json.dumps(acceptance(message.pnm_order_identifier))}
