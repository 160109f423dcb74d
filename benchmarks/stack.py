"""Compare callbacks with a function that makes one put, on the running local stack, invoked directly.

The function with one put is created for the measurement, with the settings of ``authorize``, and deleted after it.
"""

import io
import json
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Goal, Table
from sandbox.clients.sample_messages import api_gateway_event, load
from sandbox.fake_paynearme.messages import build_confirmation, signed, with_new_identifier
from sandbox.stack.sites import SAMPLE_SITES
from sandbox.stack.stack import STACK_DIR, Stack
from sandbox.stack.stack import load as load_stack

CALLS, CONCURRENCY = 128, 8
_PUT = "function with one put"
_GOALS = {("authorize", 1): 1.5, ("authorize", 8): 1.6, ("confirm", 1): 1.2, ("confirm", 8): 1.3}


@dataclass
class _Invoker:
    """Invokes the functions of a stack, and returns the milliseconds."""

    client: Any
    names: dict[str, str]

    def invoke(self, name: str, event: dict[str, Any]) -> float:
        started = time.perf_counter()
        answer = self.client.invoke(FunctionName=self.names[name], Payload=json.dumps(event).encode())
        response = json.loads(answer["Payload"].read())
        duration = (time.perf_counter() - started) * 1000
        if response.get("statusCode") != 200 or '"accept_payment": "no"' in response["body"]:
            raise RuntimeError(f"{name} failed")
        return duration


@contextmanager
def _put_function(stack: Stack, model: dict[str, Any]) -> Iterator[str]:
    """Deploy the peer with the settings of the function ``model``, and yield its name."""
    client, iam = stack.client("lambda"), stack.client("iam")
    archive, name = io.BytesIO(), f"benchmark-{time.time_ns()}"
    trusted = _policy(Action="sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    iam.put_role_policy(
        RoleName=name, PolicyName="put", PolicyDocument=_policy(Action="dynamodb:PutItem", Resource="*")
    )
    with zipfile.ZipFile(archive, "w") as package:
        package.write(Path(__file__).parent / "peers/one_put.py", "app.py")
    client.create_function(
        FunctionName=name,
        Runtime=model["Runtime"],
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": archive.getvalue()},
        MemorySize=model["MemorySize"],
        Timeout=model["Timeout"],
        Environment={"Variables": model["Environment"]["Variables"]},
    )
    try:
        yield name
    finally:
        client.delete_function(FunctionName=name)
        iam.delete_role_policy(RoleName=name, PolicyName="put")
        iam.delete_role(RoleName=name)


def _policy(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def _events(stack: Stack) -> dict[str, dict[str, Any]]:
    """Return the events of one new payment by case, in the order of the calls."""
    site = {"site_identifier": SAMPLE_SITES[0], "site_customer_identifier": f"benchmark-{time.time_ns()}"}
    authorization = with_new_identifier({**load("authorization")["credit"], **site})
    messages = {"authorize": authorization, "confirm": build_confirmation(authorization)}
    secret = stack.sites[SAMPLE_SITES[0]]["secret"]
    events = {
        operation: api_gateway_event(signed(message, secret), "json", f"/callbacks/{operation}", base64_encoded=True)
        for operation, message in messages.items()
    }
    return {_PUT: events["authorize"], **events, "confirm, duplicate": events["confirm"]}


def _measure(invoker: _Invoker, stack: Stack, concurrency: int, calls: int) -> dict[str, list[float]]:
    """Return the milliseconds by case. The cases take turns, ``concurrency`` calls each."""
    milliseconds: dict[str, list[float]] = {}
    with ThreadPoolExecutor(concurrency) as threads:
        for _ in range(calls // concurrency):
            payments = [_events(stack) for _ in range(concurrency)]
            for name in payments[0]:
                events = [payment[name] for payment in payments]
                milliseconds.setdefault(name, []).extend(threads.map(partial(invoker.invoke, name), events))
    return milliseconds


def run() -> tuple[list[Table], list[Goal]]:
    """Return the table and the goals, or nothing if no local stack is running."""
    stack = load_stack(STACK_DIR)
    if stack is None:
        print("\nThe part 'stack' needs the local stack: run 'make up' first.")  # noqa: T201 # the output of a command
        return [], []
    client = stack.client("lambda")
    functions = {function["FunctionName"]: function for function in client.list_functions(MaxItems=100)["Functions"]}

    def find(logical_name: str) -> dict[str, Any]:
        return next(function for name, function in functions.items() if f"-{logical_name}" in name)

    models = {operation: find(f"{operation.capitalize()}Function") for operation in ("authorize", "confirm")}
    table = Table(
        "Calls on the local stack, p50 in milliseconds", ("call", "one at a time", "ratio", "eight at once", "ratio")
    )
    with _put_function(stack, models["authorize"]) as put_name:
        names = {operation: model["FunctionName"] for operation, model in models.items()}
        invoker = _Invoker(client, {_PUT: put_name, **names, "confirm, duplicate": names["confirm"]})
        medians: dict[tuple[str, int], float] = {}
        for concurrency in (1, CONCURRENCY):
            _measure(invoker, stack, concurrency, concurrency * 3)
            results = _measure(invoker, stack, concurrency, CALLS)
            medians |= {(name, concurrency): median(values) for name, values in results.items()}
    for name in invoker.names:
        row = [name]
        for concurrency in (1, CONCURRENCY):
            value = medians[name, concurrency]
            row += [f"{value:.1f}", f"{value / medians[_PUT, concurrency]:.2f}"]
        table.rows.append(row)
    goals = [
        Goal(
            f"{name} / {_PUT}, {concurrency} at once", medians[name, concurrency] / medians[_PUT, concurrency], maximum
        )
        for (name, concurrency), maximum in _GOALS.items()
    ]
    return [table], goals
