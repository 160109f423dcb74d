"""The decorator for functions of the backend API."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import wraps

from pydantic import BaseModel

from paynearme.errors import NotFoundError, UnknownSiteError, ValidationFailedError
from paynearme.handlers.lambda_runtime import Clock, HttpHandler, freeze_imports, utc_now
from paynearme.handlers.log_identifiers import log_identifiers, log_order_identifiers
from paynearme.platform import observability
from paynearme.platform.deadline import Deadline
from paynearme.platform.http_request import ProxyEvent, from_headers, from_json_body, from_path, from_query
from paynearme.platform.http_response import HttpResponse, json_response, problem_response
from paynearme.platform.settings import Settings
from paynearme.protocol.api_call import PayNearMeRequest
from paynearme.protocol.merchant_input import MerchantDataRequest
from paynearme.protocol.parsing import Message, read_message
from paynearme.sites.site import ResolvedSite
from paynearme.sites.site_provider import SiteProvider


@dataclass(frozen=True)
class ApiRequest[M: PayNearMeRequest | MerchantDataRequest]:
    """A valid request for a configured site, the time of its receipt (UTC), and the deadline of the response."""

    message: M
    site: ResolvedSite
    received_at: datetime
    deadline: Deadline


def api_handler[M: PayNearMeRequest | MerchantDataRequest](
    operation: str, models: Mapping[str, type[M]], settings: Settings, sites: SiteProvider, *, clock: Clock = utc_now
) -> Callable[[Callable[[ApiRequest[M]], BaseModel | None]], HttpHandler]:
    """Convert a function that processes a valid backend request to a Lambda handler.

    ``models`` maps each HTTP method to its request model. A result of ``None`` returns 404. The handler never
    raises: each error has a fixed problem response. API Gateway has authenticated the caller with IAM.
    """

    def decorate(function: Callable[[ApiRequest[M]], BaseModel | None]) -> HttpHandler:
        @wraps(function)
        def handler(event: ProxyEvent, context: object) -> HttpResponse:
            started = time.perf_counter()
            observability.add_request(event, context)
            now, deadline = clock(), Deadline.after(settings.call_timeout_seconds)
            try:
                method = event["httpMethod"]
                parameters = _parse_api_request(event, models[method])
                log_identifiers(parameters)
                message = read_message(models[method], parameters)
                site = _resolve_site(message, settings, sites, deadline)
                identifiers = {name: getattr(message, name) for name in from_path(event)}
                observability.add_log_fields(method=method, **identifiers | {"site_identifier": site.identifier})
                content = function(ApiRequest(message, site, now, deadline))
                if content is None:
                    raise NotFoundError
                log_order_identifiers(content)
                response = json_response(content.model_dump(mode="json"))
            except Exception as error:
                observability.record_error(error)
                response = problem_response(error, omit_descriptions=False)
            observability.flush(operation, response["statusCode"], (time.perf_counter() - started) * 1000)
            return response

        freeze_imports()
        return handler

    return decorate


def _parse_api_request(event: ProxyEvent, model: type[Message]) -> dict[str, str]:
    """Return the parameters of path and headers, and of the query (GET) or the JSON body (other methods)."""
    url_parameters = from_path(event) | from_headers(event, model.header_fields)
    body_parameters = from_query(event) if event["httpMethod"] == "GET" else from_json_body(event)
    if duplicates := url_parameters.keys() & body_parameters.keys():
        raise ValidationFailedError(dict.fromkeys(duplicates, "is already given by the URL or a header"))
    return url_parameters | body_parameters


def _resolve_site(
    message: PayNearMeRequest | MerchantDataRequest, settings: Settings, sites: SiteProvider, deadline: Deadline
) -> ResolvedSite:
    identifier = message.site_identifier or settings.default_site_identifier
    if not identifier:
        raise ValidationFailedError({"site_identifier": "is required, because there is no default site"})
    try:
        return sites.get(identifier, deadline)
    except UnknownSiteError:
        raise ValidationFailedError({"site_identifier": "is not a configured site"}) from None
