from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from sandbox.clients import verification
from sandbox.clients.verification import verify
from sandbox.stack.sites import DISCARD_URL, new_sites
from sandbox.stack.stack import Stack


def stack_without_server() -> Stack:
    values: dict[str, Any] = {field.name: "" for field in fields(Stack)}
    urls = {"callback_url": DISCARD_URL, "backend_url": DISCARD_URL}
    return Stack(**{**values, **urls, "region": "us-east-1", "sites": new_sites()["sites"]})


@pytest.mark.usefixtures("socket_enabled")
def test_verify_no_response_error_names_all_functions(tmp_path: Path) -> None:
    steps: list[str] = []
    with pytest.raises(RuntimeError, match="make down && make up") as raised:
        verify(stack_without_server(), tmp_path, steps.append)
    failed = [line.partition(":")[0] for line in str(raised.value).splitlines()[:-1]]
    assert failed == [
        *("/callbacks/authorize", "/callbacks/confirm", "/callbacks/reverse"),
        *(f"{method} {path}" for method, path in verification._BACKEND_CALLS),
    ]
    assert len(steps) == 2


@pytest.mark.parametrize("failing_rounds", [1, 2])
def test_verify_function_fails_restarted_without_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing_rounds: int
) -> None:
    results, killed = [*(["failed"] for _ in range(failing_rounds)), []], list[Path]()
    monkeypatch.setattr(verification, "_failures", lambda _: results.pop(0))
    monkeypatch.setattr(verification, "kill_functions", killed.append)
    verify(stack_without_server(), tmp_path, lambda _: None)
    assert (results, killed) == ([], [tmp_path])
