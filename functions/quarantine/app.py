"""List, replay and discard quarantined callbacks. Operators invoke the function. It has no route."""

from datetime import datetime
from typing import Any

from paynearme.handlers.background import background_handler
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Table
from paynearme.platform.settings import Settings
from paynearme.policy_provider import PolicyProvider
from paynearme.quarantine.operator_actions import Quarantine
from paynearme.quarantine.operator_request import OPERATOR_REQUEST

settings = Settings.from_environment()
table = Table(settings.table_name)
quarantine = Quarantine(table, PolicyProvider(settings), settings.aws_lambda_function_version)


@background_handler("quarantine")
def handler(event: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Execute one request of an operator, and return its response."""
    request = OPERATOR_REQUEST.validate_python(event)
    deadline = Deadline.after(settings.operator_timeout_seconds)
    return quarantine.handle(request, now, deadline).model_dump(mode="json")
