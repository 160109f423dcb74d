"""The template as data. CloudFormation's short forms are expanded: ``!Ref X`` is ``{"Ref": "X"}``.

PyYAML instead of cfn-lint's parser saves one second per process.
"""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


class _Loader(yaml.CSafeLoader):
    """YAML's loader with CloudFormation's short forms."""


def _expand(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    function = name if name in ("Condition", "Ref") else f"Fn::{name}"
    match node:
        case yaml.MappingNode():
            return {function: loader.construct_mapping(node, deep=True)}
        case yaml.SequenceNode():
            return {function: loader.construct_sequence(node, deep=True)}
        case _:
            text = node.value
            return {function: text.split(".", maxsplit=1) if name == "GetAtt" else text}


_Loader.add_multi_constructor("!", _expand)

TEMPLATE: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), _Loader)  # noqa: S506 # a subclass of the safe loader
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
PARAMETERS: dict[str, Any] = TEMPLATE["Parameters"]


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a type, by logical identifier."""
    entries = {name: entry for name, entry in RESOURCES.items() if entry["Type"] == kind}
    return {name: entry.get("Properties", {}) for name, entry in entries.items()}


def _globals_of(name: str) -> dict[str, Any]:
    ignored = RESOURCES[name].get("IgnoreGlobals", [])
    return {key: value for key, value in TEMPLATE["Globals"]["Function"].items() if key not in ignored}


FUNCTIONS = {
    name: {**_globals_of(name), **properties} for name, properties in of_type("AWS::Serverless::Function").items()
}
"""The properties of the functions, including the global ones."""

TRIGGERED_FUNCTIONS = {name: function for name, function in FUNCTIONS.items() if "Events" in function}
"""The functions with an event source."""

VERSIONED_FUNCTIONS = {name: function for name, function in FUNCTIONS.items() if "AutoPublishAlias" in function}
"""The functions with published versions and the alias ``live``."""

API_FUNCTIONS = {
    name: function
    for name, function in TRIGGERED_FUNCTIONS.items()
    if {event["Type"] for event in function["Events"].values()} == {"Api"}
}
"""The functions that an API invokes."""

CALLBACK_FUNCTIONS = tuple(
    name
    for name, function in API_FUNCTIONS.items()
    if any(event["Properties"]["RestApiId"] == {"Ref": "CallbackApi"} for event in function["Events"].values())
)
"""The functions that PayNearMe's callbacks invoke."""

OUTBOUND_FUNCTIONS = (
    "CreateOrderFunction",
    "FindPaymentMethodsFunction",
    "GetSmartTokenFunction",
    "MakePaymentFunction",
)
"""The functions that call PayNearMe."""


def names_in(value: Any) -> set[str]:
    """Return the parameters, pseudo parameters and resources in a value, in its parts and in its conditions."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
            return {name}
        case {"Fn::Sub": str(text)}:
            return set(re.findall(r"\$\{([\w:]+)(?:\.\w+)?\}", text))
        case {"Fn::If": [condition, *choices]}:
            return names_in({"Condition": condition}) | names_in(choices)
        case {"Condition": str(condition)}:
            return names_in(TEMPLATE["Conditions"][condition])
        case dict() | list():
            parts = value.values() if isinstance(value, dict) else value
            return {name for part in parts for name in names_in(part)}
        case _:
            return set()


def environment_of(function: str) -> dict[str, Any]:
    """Return the environment variables of a function, including the global ones."""
    sources = [_globals_of(function), RESOURCES[function]["Properties"]]
    return {k: v for part in sources for k, v in part.get("Environment", {}).get("Variables", {}).items()}


APIS = {name: {**TEMPLATE["Globals"]["Api"], **api} for name, api in of_type("AWS::Serverless::Api").items()}
"""The APIs' properties, including the global ones."""


DATA_TYPES = {
    "AWS::AppConfig::Application",
    "AWS::AppConfig::ConfigurationProfile",
    "AWS::AppConfig::Environment",
    "AWS::DynamoDB::Table",
    "AWS::Events::Archive",
    "AWS::Logs::LogGroup",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
}
"""The resource types with data that a deployment cannot create again."""
