"""The IAM policies of an expanded template as JSON, with plausible ARNs instead of CloudFormation's functions."""

import json
import re
from collections.abc import Iterator
from typing import Any

PSEUDO_PARAMETERS = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackName": "stack",
}
ARNS = {
    "AWS::DynamoDB::Table": "dynamodb:us-east-1:123456789012:table/{}",
    "AWS::Events::EventBus": "events:us-east-1:123456789012:event-bus/{}",
    "AWS::Lambda::Function": "lambda:us-east-1:123456789012:function:{}",
    "AWS::Logs::LogGroup": "logs:us-east-1:123456789012:log-group:{}:*",
    "AWS::SQS::Queue": "sqs:us-east-1:123456789012:{}",
    "AWS::SecretsManager::Secret": "secretsmanager:us-east-1:123456789012:secret:{}-a1b2c3",
}
"""The ARN of a resource by its type, after ``arn:aws:``."""


def policies_of(template: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and the JSON of each policy of a role, and of each managed policy.

    Raises ``KeyError`` for a resource without an entry in ``ARNS``, and ``ValueError`` for an unknown function.
    """
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            yield name, json.dumps(_resolve(properties["PolicyDocument"], template))
        elif resource["Type"] == "AWS::IAM::Role":
            for policy in properties.get("Policies", []):
                yield f"{name}.{policy['PolicyName']}", json.dumps(_resolve(policy["PolicyDocument"], template))


def _resolve(value: Any, template: dict[str, Any]) -> Any:
    def reference(name: str) -> str:
        resource, _, attribute = name.partition(".")
        if attribute:
            return f"arn:aws:{ARNS[template['Resources'][resource]['Type']].format(resource)}"
        default = template["Parameters"].get(name, {}).get("Default", name)
        return PSEUDO_PARAMETERS.get(name, str(default))

    match value:
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w:.]+)\}", lambda match: reference(match[1]), text)
        case {"Fn::GetAtt": [resource, attribute]}:
            return reference(f"{resource}.{attribute}")
        case {"Ref": str(name)}:
            return reference(name)
        case dict():
            if any(key.startswith("Fn::") for key in value):
                raise ValueError(f"unknown function: {value}")
            return {key: _resolve(entry, template) for key, entry in value.items()}
        case list():
            return [_resolve(entry, template) for entry in value]
        case _:
            return value
