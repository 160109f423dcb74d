"""Expand the template with SAM, and resolve its conditions like CloudFormation, without the emulator."""

import atexit
import functools
import json
import os
import subprocess
from typing import Any

from tests.support.template import FUNCTIONS, ROOT, TEMPLATE

_TRANSLATOR = """
import json, sys
import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
session = boto3.Session(region_name="us-east-1")
for line in sys.stdin:
    template, parameters = json.loads(line)
    translated = Translator({}, Parser(), boto_session=session).translate(template, parameters)
    print(json.dumps(translated), flush=True)
"""

_NO_VALUE = {"Ref": "AWS::NoValue"}


def packaged_template() -> dict[str, Any]:
    """Return the template as ``sam deploy`` sends it, with S3 URLs instead of folders."""
    template: dict[str, Any] = json.loads(json.dumps(TEMPLATE))
    for function in FUNCTIONS:
        template["Resources"][function]["Properties"]["CodeUri"] = f"s3://bucket/{function}"
    template["Resources"]["SharedLayer"]["Properties"]["ContentUri"] = "s3://bucket/SharedLayer"
    return template


def expand(template: dict[str, Any], **parameters: str) -> dict[str, Any]:
    """Return the resources of ``template`` after SAM's transform."""
    resources: dict[str, Any] = _transform(template, parameters)["Resources"]
    return resources


def resolve_deployment(**parameters: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the resources and the outputs of a deployment with ``parameters``, with resolved conditions.

    Other parameters have their default values.
    """
    template = _transform(packaged_template(), parameters)
    defaults = {name: entry["Default"] for name, entry in template["Parameters"].items()}
    conditions = {
        name: _evaluate(condition, defaults | parameters, template["Conditions"])
        for name, condition in template["Conditions"].items()
    }

    def resolve_section(section: str) -> dict[str, Any]:
        entries = template[section].items()
        present = {name: entry for name, entry in entries if conditions.get(entry.get("Condition"), True)}
        resolved: dict[str, Any] = _resolve_conditions(present, conditions)
        return resolved

    return resolve_section("Resources"), resolve_section("Outputs")


def resources_of_type(resources: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a type, by logical name."""
    matching = {name: entry for name, entry in resources.items() if entry["Type"] == kind}
    return {name: entry.get("Properties", {}) for name, entry in matching.items()}


@functools.cache
def _translator() -> subprocess.Popen[str]:
    """Start SAM's translator in its virtual environment, once, because its import takes a second."""
    process = subprocess.Popen(  # noqa: S603 # our own program
        [str(ROOT / ".venvs/sam/bin/python"), "-I", "-c", _TRANSLATOR],
        env={"PATH": os.defpath},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    # The process ends when its standard input is closed.
    atexit.register(process.communicate)
    return process


def _transform(template: dict[str, Any], parameters: dict[str, str]) -> dict[str, Any]:
    process = _translator()
    assert process.stdin is not None
    assert process.stdout is not None
    print(json.dumps([template, parameters]), file=process.stdin, flush=True)
    result: dict[str, Any] = json.loads(process.stdout.readline())
    return result


def _evaluate(condition: dict[str, Any], parameters: dict[str, str], definitions: dict[str, Any]) -> bool:
    """Evaluate a condition. The template uses only equality, negation, conjunction and references to conditions."""
    ((function, arguments),) = condition.items()
    if function == "Condition":
        return _evaluate(definitions[arguments], parameters, definitions)
    if function == "Fn::Not":
        return not _evaluate(arguments[0], parameters, definitions)
    if function == "Fn::And":
        return all(_evaluate(argument, parameters, definitions) for argument in arguments)
    assert function == "Fn::Equals"
    first, second = (parameters[operand["Ref"]] if isinstance(operand, dict) else operand for operand in arguments)
    return bool(first == second)


def _resolve_conditions(value: Any, conditions: dict[str, bool]) -> Any:
    """Return ``value`` with each ``Fn::If`` replaced by its selected branch."""
    if isinstance(value, list):
        return [entry for entry in (_resolve_conditions(entry, conditions) for entry in value) if entry != _NO_VALUE]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Fn::If"}:
        condition, if_true, if_false = value["Fn::If"]
        return _resolve_conditions(if_true if conditions[condition] else if_false, conditions)
    resolved = {name: _resolve_conditions(entry, conditions) for name, entry in value.items()}
    return {name: entry for name, entry in resolved.items() if entry != _NO_VALUE}
