"""The accepted findings, each with the reason."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tests.aws_checks.findings import Finding

FUNCTION = r"\w+Function"


@dataclass(frozen=True)
class Accepted:
    """An accepted rule of a tool, for the resources whose path matches a regular expression."""

    tool: str
    rule: str
    path: str
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Return whether the finding is accepted."""
        is_rule = (self.tool, self.rule) == (finding.tool, finding.rule)
        return is_rule and re.fullmatch(self.path, finding.path) is not None


ACCEPTED = (
    Accepted(
        "cfn-lint",
        "E3003",
        rf"Resources/{FUNCTION}DeploymentGroup/Properties",
        "The role is absent with CanaryDeployment=false only. SAM then creates no deployment groups.",
    ),
    Accepted(
        "cfn-lint",
        "W1020",
        rf"Resources/{FUNCTION}/Properties/Description/.*",
        "SAM adds a text to the description of each function, as Fn::Sub without variables.",
    ),
    Accepted("cfn-lint", "W2001", "Parameters/VersionTrigger", "SAM replaces the references to the parameter."),
    Accepted(
        "cfn-lint",
        "W3660",
        r"Resources/(Callback|Backend)Api/Properties/Body",
        "The other definition of the responses is for the emulator only (condition IsLocal).",
    ),
    Accepted(
        "checkov",
        "CKV_AWS_26",
        "AlarmTopic",
        "The messages contain names of alarms and metrics. CloudWatch cannot use a topic with AWS's own key.",
    ),
    Accepted("checkov", "CKV_AWS_27", "EventsDeadLetterQueue", "SQS encrypts new queues with its own key by default."),
    Accepted("checkov", "CKV_AWS_73", r"\w+ApiStage", "A trace of API Gateway contains the URL with personal data."),
    Accepted(
        "checkov",
        "CKV_AWS_115",
        r"(Orders|Customers|Payments|PublishEvents|SweepUnconfirmed|Quarantine|ValidatePolicy)Function",
        "Only functions that wait for PayNearMe, and callbacks, can exhaust the account's concurrency.",
    ),
    Accepted(
        "checkov",
        "CKV_AWS_116",
        FUNCTION,
        "Callers wait for the result. The stream has a dead-letter queue, and the next sweep repeats a failed one.",
    ),
    Accepted("checkov", "CKV_AWS_117", FUNCTION, "No resource is in a VPC, and the functions call a public API."),
    Accepted("checkov", "CKV_AWS_119", "LedgerTable", "AWS's own key encrypts the table."),
    Accepted("checkov", "CKV_AWS_120", r"\w+ApiStage", "A cached response would answer another message."),
    Accepted("checkov", "CKV_AWS_149", "SitesSecret", "AWS's own key encrypts the secret."),
    Accepted("checkov", "CKV_AWS_158", r"\w+Logs", "AWS's own key encrypts the logs."),
    Accepted("checkov", "CKV_AWS_173", FUNCTION, "The variables contain names and limits, and no secret."),
    Accepted(
        "checkov",
        "CKV_AWS_364",
        "ValidatePolicyPermission",
        "AWS documents no source for the invocations of AppConfig's validators.",
    ),
    Accepted(
        "parliament",
        "RESOURCE_MISMATCH",
        "PublishEventsRole.publish-events",
        "dynamodb:ListStreams supports no resource. SAM's policy for streams has the same statement.",
    ),
    Accepted(
        "parliament",
        "RESOURCE_MISMATCH",
        "PreTrafficCheckRole.pre-traffic-check",
        "SAM's example of a hook limits the action to deployment groups. The list of actions has no resource for it.",
    ),
    Accepted(
        "parliament",
        "RESOURCE_STAR",
        r"DeploymentRole\.deploy|PolicyAlarmRole\.describe-alarms",
        "AWS documents the roles of CodeDeploy and AppConfig with cloudwatch:DescribeAlarms for all resources.",
    ),
)


def compare(findings: Iterable[Finding], accepted: Iterable[Accepted] = ACCEPTED) -> list[str]:
    """Return a line for each finding that is not accepted, and for each accepted entry without a finding."""
    found = sorted(set(findings), key=str)
    entries = tuple(accepted)
    new = [str(finding) for finding in found if not any(entry.covers(finding) for entry in entries)]
    unused = [entry for entry in entries if not any(entry.covers(finding) for finding in found)]
    return new + [f"no finding for the accepted {entry.tool} {entry.rule} {entry.path}" for entry in unused]
