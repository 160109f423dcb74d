"""The rate limits of each route. A change of the template requires a change here."""

from typing import Any

import pytest

from tests.support.template import API_FUNCTIONS, APIS, PARAMETERS, TEMPLATE

LIMITS: dict[str, dict[str, int]] = TEMPLATE["Mappings"]["RouteLimits"]
SETTINGS = [(api, setting) for api, properties in APIS.items() for setting in properties["MethodSettings"]]
ALL_ROUTES = ("/*", "*")

ROUTE_LIMITS = {
    ("CallbackApi", "/callbacks/reverse", "GET"): "Reverse",
    ("CallbackApi", "/callbacks/reverse", "POST"): "Reverse",
    ("BackendApi", "/smart-tokens", "POST"): "SmartTokens",
    ("BackendApi", "/orders", "POST"): "Orders",
    ("BackendApi", "/payment-methods/find", "POST"): "PaymentMethods",
    ("BackendApi", "/payments", "POST"): "Payments",
}
"""The routes with little traffic, and the routes that call PayNearMe. The parameters limit all other routes."""


def stage_limit(name: str) -> dict[str, Any]:
    return {"Fn::FindInMap": ["RouteLimits", {"Ref": "Stage"}, name]}


def route_of(setting: dict[str, Any]) -> tuple[str, str]:
    """Return the decoded path and the method of a setting."""
    path: str = setting["ResourcePath"]
    return path if path == "/*" else path[1:].replace("~1", "/"), setting["HttpMethod"]


def expected(api: str, path: str, method: str) -> tuple[dict[str, Any], dict[str, Any]]:
    route_limit, kind = ROUTE_LIMITS.get((api, path, method)), api.removesuffix("Api")
    if route_limit:
        return stage_limit(f"{route_limit}Rate"), stage_limit(f"{route_limit}Burst")
    return {"Ref": f"{kind}RateLimit"}, {"Ref": f"{kind}BurstLimit"}


@pytest.mark.parametrize("api", APIS)
def test_throttling_limits_for_each_route_and_api_default(api: str) -> None:
    api_events = [event["Properties"] for f in API_FUNCTIONS.values() for event in f["Events"].values()]
    routes = {(d["Path"], d["Method"].upper()) for d in api_events if d["RestApiId"]["Ref"] == api}
    limited_routes = [route_of(setting) for owner, setting in SETTINGS if owner == api]
    assert sorted(limited_routes) == sorted({*routes, ALL_ROUTES})


@pytest.mark.parametrize(("api", "setting"), SETTINGS)
def test_throttling_limits_from_stage_or_parameter(api: str, setting: dict[str, Any]) -> None:
    limits = (setting["ThrottlingRateLimit"], setting["ThrottlingBurstLimit"])
    assert limits == expected(api, *route_of(setting))


@pytest.mark.parametrize(("api", "setting"), SETTINGS)
def test_route_settings_enable_metrics_without_body_traces(api: str, setting: dict[str, Any]) -> None:
    assert setting["MetricsEnabled"] is True
    assert setting["DataTraceEnabled"] is False
    assert "LoggingLevel" not in setting


def test_throttling_limits_complete_for_every_stage() -> None:
    assert sorted(LIMITS) == sorted(PARAMETERS["Stage"]["AllowedValues"])
    names = {f"{route_limit}{limit}" for route_limit in ROUTE_LIMITS.values() for limit in ("Rate", "Burst")}
    assert {stage: set(limits) for stage, limits in LIMITS.items()} == dict.fromkeys(LIMITS, names)


def test_throttling_local_limits_do_not_restrict_tests() -> None:
    assert min(LIMITS["local"].values()) >= 5000


def test_throttling_route_limits_not_above_api_default() -> None:
    for kind, names in (
        ("Callback", ["Reverse"]),
        ("Backend", ["SmartTokens", "Orders", "PaymentMethods", "Payments"]),
    ):
        for limit in ("Rate", "Burst"):
            default_limit = int(PARAMETERS[f"{kind}{limit}Limit"]["Default"])
            assert max(LIMITS["prod"][f"{name}{limit}"] for name in names) <= default_limit
