"""Apply the tools to the template and to its expansions, and exit with 1 for a finding that is not accepted.

``python -m tests.aws_checks`` requires ``.venvs/aws-checks`` and ``.venvs/sam``. It sends no request to AWS.
"""

import json
import sys
import tempfile
from itertools import chain
from pathlib import Path

from sandbox.stack.deployment import parameter_overrides
from tests.aws_checks.accepted import compare
from tests.aws_checks.findings import Finding, cfn_lint, checkov, parliament
from tests.support.sam_expansion import expand
from tests.support.template import ROOT

EVERY_OPTION = {
    "AlarmEmail": "operator@example.com",
    "AuthorizeReservedConcurrency": "100",
    "BackendDomainName": "backend.example.com",
    "CallbackDomainName": "callbacks.example.com",
    "ConfirmReservedConcurrency": "100",
    "DisableDefaultEndpoints": "true",
    "OutboundReservedConcurrency": "100",
    "ReverseReservedConcurrency": "20",
    "WafMode": "block",
}


def main() -> int:
    """Print the findings, and return 1 if there is one."""
    findings: list[Finding] = list(cfn_lint(ROOT / "template.yaml"))
    with tempfile.TemporaryDirectory() as folder:
        for name, parameters in {
            "dev": parameter_overrides("dev"),
            "prod": parameter_overrides("prod") | EVERY_OPTION,
        }.items():
            template, file = expand(**parameters), Path(folder) / f"{name}.json"
            file.write_text(json.dumps(template))
            findings += chain(cfn_lint(file), checkov(file), parliament(template))
    lines = compare(findings)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.write(f"{len(findings)} accepted findings\n" if not lines else f"{len(lines)} differences\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
