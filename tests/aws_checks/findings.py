"""Run cfn-lint, checkov and parliament in their own environment, and return their findings."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.aws_checks.policies import policies_of
from tests.support.template import ROOT

PROGRAMS = ROOT / ".venvs/aws-checks/bin"

PARLIAMENT = """
import json, sys, warnings
# parliament uses a deprecated package.
warnings.simplefilter("ignore")
from parliament import analyze_policy_string, enhance_finding
for name, policy in json.load(sys.stdin):
    for finding in analyze_policy_string(policy, name, include_community_auditors=True).findings:
        print(json.dumps([finding.issue, name, str(enhance_finding(finding).title), str(finding.detail)]))
"""


@dataclass(frozen=True)
class Finding:
    """A finding of a tool: the rule, the path of the resource, and the tool's text."""

    tool: str
    rule: str
    path: str
    text: str

    def __str__(self) -> str:
        """Return all values as one line."""
        return f"{self.tool} {self.rule} {self.path}: {self.text}"


def cfn_lint(file: Path) -> Iterator[Finding]:
    """Apply all rules for errors and warnings, also experimental ones. ``file`` is a template."""
    arguments = ("--include-experimental", "--ignore-checks", "I", "--regions", "us-east-1", "--format", "json")
    output = _run("cfn-lint", *arguments, "--template", str(file))
    for match in json.loads(output or "[]"):
        path = "/".join(map(str, match["Location"]["Path"] or []))
        yield Finding("cfn-lint", match["Rule"]["Id"], path, match["Message"])


def checkov(file: Path) -> Iterator[Finding]:
    """Apply all checks for CloudFormation. ``file`` is an expanded template."""
    arguments = ("--framework", "cloudformation", "--quiet", "--compact", "--skip-download", "--output", "json")
    report = json.loads(_run("checkov", *arguments, "--file", str(file)))
    if report["summary"]["parsing_errors"]:
        raise ValueError(f"checkov cannot parse {file}")
    for check in report["results"]["failed_checks"]:
        yield Finding("checkov", check["check_id"], check["resource"].rpartition(".")[2], check["check_name"])


def parliament(template: dict[str, Any]) -> Iterator[Finding]:
    """Check all IAM policies of an expanded template, also with the community's auditors."""
    output = _run("python", "-c", PARLIAMENT, text=json.dumps(list(policies_of(template))))
    for line in output.splitlines():
        rule, path, title, detail = json.loads(line)
        yield Finding("parliament", rule, path, f"{title} {detail}")


def _run(program: str, *arguments: str, text: str | None = None) -> str:
    """Return the output of a program, which can exit with a code for its findings."""
    # The tools must not depend on AWS credentials.
    environment = {"PATH": f"{PROGRAMS}{os.pathsep}{os.defpath}", "HOME": os.devnull, "LANG": "C.UTF-8"}
    command = [str(PROGRAMS / program), *arguments]
    completed = subprocess.run(command, input=text, env=environment, capture_output=True, check=False, text=True)  # noqa: S603 # programs of this project
    if completed.stderr:
        raise RuntimeError(f"{program} failed: {completed.stderr}")
    return completed.stdout
