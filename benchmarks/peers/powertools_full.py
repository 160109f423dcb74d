"""Powertools with resolver, logger, metrics and a pydantic model. It verifies a signature and stores nothing."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.exceptions import UnauthorizedError
from aws_lambda_powertools.metrics import MetricUnit

from benchmarks.peers.message import CallbackModel, acceptance, is_authentic

logger = Logger(service="benchmark")
metrics = Metrics(namespace="Benchmark", service="benchmark")
app = APIGatewayRestResolver()


@app.post("/callbacks/authorize")
def authorize() -> dict[str, Any]:
    """Accept an authentic payment."""
    parameters = app.current_event.json_body
    message = CallbackModel.model_validate(parameters)
    if not is_authentic(parameters):
        raise UnauthorizedError("signature")
    logger.info("authorize", order=message.pnm_order_identifier, payment=message.pnm_payment_identifier)
    metrics.add_metric(name="AuthorizationAccepted", unit=MetricUnit.Count, value=1)
    return acceptance(message.pnm_order_identifier)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Route a request of API Gateway."""
    return app.resolve(event, context)
