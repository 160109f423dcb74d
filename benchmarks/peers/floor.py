"""The minimum of any callback: parse JSON, verify a signature, respond."""

import base64
import hashlib
import hmac
import json
from typing import Any

_SECRET = b"a-secret-of-the-benchmark"


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Accept an authentic payment."""
    parameters = json.loads(base64.b64decode(event["body"]))
    text = "".join(f"{name}{parameters[name]}" for name in sorted(parameters) if name != "signature")
    signature = hmac.new(_SECRET, text.encode(), hashlib.sha256).hexdigest()
    status = 200 if hmac.compare_digest(signature, parameters["signature"]) else 401
    return {"statusCode": status, "body": json.dumps({"order": parameters["pnm_order_identifier"]})}
