"""The published versions of a stack's functions. AWS bills each SnapStart snapshot until the version is deleted."""

import re
from dataclasses import dataclass
from typing import Any

_FUNCTION = "AWS::Lambda::Function"
_LATEST = "$LATEST"


@dataclass(frozen=True)
class PublishedVersion:
    """A published version of a function, and the time of its publication as text."""

    function_name: str
    number: str
    published_at: str

    def __str__(self) -> str:
        """Return the function, the number and the time."""
        return f"{self.function_name} version {self.number} of {self.published_at}"


@dataclass(frozen=True)
class FunctionVersions:
    """The published versions of all functions of a stack, and boto3's clients."""

    cloudformation: Any
    lambda_client: Any
    stack_name: str

    def superseded(self, keep: int) -> list[PublishedVersion]:
        """Return the versions without the newest ``keep`` of each function, and without those that an alias uses.

        An alias uses each version that can receive its invocations. Raises botocore's errors. Sends at least two
        requests per function, and one per 100 resources of the stack.
        """
        resources = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.stack_name)
        functions = (
            resource["PhysicalResourceId"]
            for page in resources
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] == _FUNCTION
        )
        return [version for name in functions for version in self._superseded(name, keep)]

    def delete(self, version: PublishedVersion) -> None:
        """Delete a version. Raises ``ValueError`` if it has no number, and botocore's errors."""
        # Without a qualifier, the request deletes the function with all its versions.
        if not re.fullmatch("[1-9][0-9]*", version.number):
            raise ValueError(f"{version.number!r} is not the number of a version")
        self.lambda_client.delete_function(FunctionName=version.function_name, Qualifier=version.number)

    def _superseded(self, function_name: str, keep: int) -> list[PublishedVersion]:
        pages = self.lambda_client.get_paginator("list_versions_by_function").paginate(FunctionName=function_name)
        published = [entry for page in pages for entry in page["Versions"] if entry["Version"] != _LATEST]
        published.sort(key=lambda entry: int(entry["Version"]), reverse=True)
        aliases = self.lambda_client.get_paginator("list_aliases").paginate(FunctionName=function_name)
        used = {number for page in aliases for alias in page["Aliases"] for number in _numbers_of(alias)}
        return [
            PublishedVersion(function_name, entry["Version"], entry["LastModified"])
            for entry in published[keep:]
            if entry["Version"] not in used
        ]


def _numbers_of(alias: dict[str, Any]) -> list[str]:
    """Return the version of an alias, and the versions that receive a weighted part of its invocations."""
    return [alias["FunctionVersion"], *alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})]
