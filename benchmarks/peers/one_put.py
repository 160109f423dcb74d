"""The minimum with one conditional write by boto3. The local stack runs it as a function of its own."""

import base64
import json
import os
from typing import Any

import boto3

client = boto3.client("dynamodb")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Store the payment once, and accept it."""
    parameters = json.loads(base64.b64decode(event["body"]))
    client.put_item(
        TableName=os.environ["TABLE_NAME"],
        Item={"pk": {"S": f"BENCHMARK#{parameters['pnm_payment_identifier']}"}, "sk": {"S": "PAYMENT"}},
        ConditionExpression="attribute_not_exists(pk)",
    )
    # Without a line, the local AWS waits about 45 ms for the output of the invocation.
    print(json.dumps({"message": "stored"}))  # noqa: T201 # a log line
    return {"statusCode": 200, "body": json.dumps({"order": parameters["pnm_order_identifier"]})}
