"""Start new processes of the deployed functions, as Lambda does for new versions and for concurrent requests."""

import operator
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from botocore.exceptions import WaiterError
from tenacity import Retrying, retry_if_result, stop_after_attempt

from sandbox.stack.stack import Stack

RETRY_UNTIL_TRUE = Retrying(retry=retry_if_result(operator.not_), stop=stop_after_attempt(10))


def resources_of(stack: Stack) -> list[tuple[str, str]]:
    """Return the type and the physical identifier of each resource of a stack."""
    pages = stack.client("cloudformation").get_paginator("list_stack_resources")
    result_pages = pages.paginate(StackName=stack.stack_name)
    summaries = [resource for page in result_pages for resource in page["StackResourceSummaries"]]
    return [(resource["ResourceType"], resource["PhysicalResourceId"]) for resource in summaries]


def wait_until_started(stack: Stack) -> None:
    """Wait until each published version has its first process.

    Ignore a timeout: the first call starts another process.
    """
    waiter = stack.client("lambda").get_waiter("published_version_active")
    for kind, name in resources_of(stack):
        if kind == "AWS::Lambda::Alias":
            with suppress(WaiterError):
                waiter.wait(FunctionName=name, WaiterConfig={"Delay": 1})


def publish(stack: Stack, *functions: str) -> None:
    """Publish a new version of each function, so that a new process with empty caches runs it.

    ``functions`` are logical names without ``Function``.
    """
    client = stack.client("lambda")
    names = [function["FunctionName"] for function in client.list_functions()["Functions"]]
    name_prefixes = tuple(f"{stack.stack_name}-{part}Function-" for part in functions)
    function_names = [name for name in names if name.startswith(name_prefixes)]

    def publish_one(name: str) -> None:
        client.update_function_configuration(FunctionName=name, Description=str(uuid.uuid4()))
        version = client.publish_version(FunctionName=name)["Version"]
        client.get_waiter("published_version_active").wait(
            FunctionName=name, Qualifier=version, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600}
        )
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)

    with ThreadPoolExecutor(len(function_names)) as threads:
        list(threads.map(publish_one, function_names))
