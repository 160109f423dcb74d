"""Superseded function versions, with botocore's paginators and request validation."""

import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner, Result

from operations import versions
from operations.__main__ import main
from operations.function_versions import FunctionVersions, PublishedVersion
from tests.support.template import ROOT


class Stack:
    """A stack with functions, as responses of CloudFormation and Lambda."""

    def __init__(self) -> None:
        session = boto3.Session("test", "test", region_name="us-east-1")
        clients: tuple[Any, Any] = session.client("cloudformation"), session.client("lambda")
        self.cloudformation, self.lambda_stub = map(Stubber, clients)
        self.versions = FunctionVersions(*clients, "stack")

    def add_functions(self, *names: str) -> None:
        summary = {"LogicalResourceId": "x", "ResourceStatus": "CREATE_COMPLETE", "LastUpdatedTimestamp": 0}
        kinds = [("bucket", "AWS::S3::Bucket"), *((name, "AWS::Lambda::Function") for name in names)]
        pages = [[summary | {"PhysicalResourceId": name, "ResourceType": kind}] for name, kind in kinds]
        self._add_pages(self.cloudformation, "list_stack_resources", "StackResourceSummaries", pages, StackName="stack")

    def add_versions(self, name: str, pages: list[list[str]], aliases: dict[str, tuple[str, ...]]) -> None:
        versions = [[{"Version": number, "LastModified": "2026-11-30"} for number in page] for page in pages]
        self._add_pages(self.lambda_stub, "list_versions_by_function", "Versions", versions, FunctionName=name)
        entries = [
            [{"FunctionVersion": number, "RoutingConfig": {"AdditionalVersionWeights": dict.fromkeys(weighted, 0.1)}}]
            for number, *weighted in aliases.values()
        ]
        self._add_pages(self.lambda_stub, "list_aliases", "Aliases", entries or [[]], FunctionName=name)

    def add_deletion(self, name: str, number: str, error: str = "") -> None:
        request = {"FunctionName": name, "Qualifier": number}
        if error:
            self.lambda_stub.add_client_error("delete_function", error, expected_params=request)
        else:
            self.lambda_stub.add_response("delete_function", {}, request)

    @staticmethod
    def _add_pages(stub: Stubber, operation: str, key: str, pages: list[list[Any]], **request: str) -> None:
        token, next_token = ("NextToken", "NextToken") if key == "StackResourceSummaries" else ("Marker", "NextMarker")
        for index, page in enumerate(pages):
            following = {next_token: str(index + 1)} if index + 1 < len(pages) else {}
            sent = {token: str(index)} if index else {}
            stub.add_response(operation, {key: page, **following}, request | sent)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    stack = Stack()
    monkeypatch.setattr(versions, "function_versions_of", lambda environment: stack.versions)
    with stack.cloudformation, stack.lambda_stub:
        yield stack
    stack.cloudformation.assert_no_pending_responses()
    stack.lambda_stub.assert_no_pending_responses()


def prune(*options: str) -> Result:
    return CliRunner().invoke(main, ["versions", "prune", "--config-env", "dev", *options])


@pytest.mark.parametrize(
    ("pages", "aliases", "deleted"),
    [
        ([["$LATEST", "1", "2", "3"]], {"live": ("3",)}, "1"),
        ([["$LATEST", "1", "2"], ["3", "9"], ["10", "11"]], {"live": ("11",)}, "1 2 3 9"),
        ([["$LATEST", "1", "2", "3", "4", "5"]], {"live": ("5", "3"), "old": ("1",)}, "2"),
        ([["$LATEST", "1", "2", "3", "4"]], {"live": ("1",)}, "2"),
        ([["$LATEST", "1", "2"]], {"live": ("2",)}, ""),
        ([["$LATEST"]], {}, ""),
    ],
    ids=["one old", "pages in the order of numbers", "weighted and second alias", "rolled back", "none old", "new"],
)
def test_prune_keeps_newest_two_and_aliased_versions(
    stack: Stack, pages: list[list[str]], aliases: dict[str, tuple[str, ...]], deleted: str
) -> None:
    stack.add_functions("authorize")
    stack.add_versions("authorize", pages, aliases)
    for number in sorted(deleted.split(), key=int, reverse=True):
        stack.add_deletion("authorize", number)

    result = prune()

    assert result.exit_code == 0, result.output
    assert sorted(re.findall(r"deleted authorize version (\d+) of 2026-11-30", result.output)) == deleted.split()


def test_prune_dry_run_deletes_nothing(stack: Stack) -> None:
    stack.add_functions("authorize")
    stack.add_versions("authorize", [["$LATEST", "1", "2", "3", "4"]], {"live": ("4",)})

    assert prune("--dry-run", "--keep", "3").output == "would delete authorize version 1 of 2026-11-30\n"


def test_prune_failed_deletion_continues_and_exits_with_1(stack: Stack) -> None:
    stack.add_functions("authorize", "confirm")
    for name in ("authorize", "confirm"):
        stack.add_versions(name, [["1", "2", "3"]], {"live": ("3",)})
    stack.add_deletion("authorize", "1", error="AccessDeniedException")
    stack.add_deletion("confirm", "1")

    result = prune()

    assert result.exit_code == 1
    assert "authorize version 1 of 2026-11-30 remains: An error occurred (AccessDeniedException)" in result.stderr
    assert result.stdout == "deleted confirm version 1 of 2026-11-30\n"


@pytest.mark.parametrize("qualifier", ["", "$LATEST", "live", "0", "1\n"])
def test_delete_without_version_number_sends_no_request(stack: Stack, qualifier: str) -> None:
    with pytest.raises(ValueError, match="not the number of a version"):
        stack.versions.delete(PublishedVersion("authorize", qualifier, ""))


def test_function_deletion_has_one_caller() -> None:
    programs = [path for folder in ("operations", "layers", "functions") for path in (ROOT / folder).rglob("*.py")]
    assert sum(path.read_text().count("delete_function(") for path in programs) == 1
