"""The comparison of findings with the accepted ones, and the policies that parliament receives."""

import json

import pytest

from tests.aws_checks.accepted import Accepted, compare
from tests.aws_checks.findings import Finding
from tests.aws_checks.policies import policies_of

ACCEPTED = Accepted("checkov", "CKV_1", r"(Orders|Customers)Function", "reason")


def finding(text: str) -> Finding:
    tool, rule, path = text.split()
    return Finding(tool, rule, path, "text")


@pytest.mark.parametrize(
    ("findings", "lines"),
    [
        (["checkov CKV_1 OrdersFunction"], []),
        (["checkov CKV_1 OrdersFunction", "checkov CKV_1 TableX"], ["checkov CKV_1 TableX: text"]),
        ([], ["no finding for the accepted checkov CKV_1 (Orders|Customers)Function"]),
    ],
    ids=["accepted", "new resource", "no finding"],
)
def test_findings_compared_with_accepted_rules_and_paths(findings: list[str], lines: list[str]) -> None:
    assert compare([finding(text) for text in findings], [ACCEPTED]) == lines


def test_policies_have_arns_instead_of_functions() -> None:
    statement = {"Resource": [{"Fn::Sub": "${Table.Arn}/index/x"}, {"Fn::GetAtt": ["Logs", "Arn"]}, {"Ref": "Stage"}]}
    role = {"Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": [statement]}}]}
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": role},
        "Policy": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": {"Fn::If": []}}},
        "Table": {"Type": "AWS::DynamoDB::Table"},
        "Logs": {"Type": "AWS::Logs::LogGroup"},
    }
    policies = policies_of({"Resources": resources, "Parameters": {"Stage": {"Default": "dev"}}})

    name, text = next(policies)
    assert (name, json.loads(text)["Statement"][0]["Resource"]) == (
        "Role.p",
        [
            "arn:aws:dynamodb:us-east-1:123456789012:table/Table/index/x",
            "arn:aws:logs:us-east-1:123456789012:log-group:Logs:*",
            "dev",
        ],
    )
    with pytest.raises(ValueError, match="unknown function"):
        next(policies)
