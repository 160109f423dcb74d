"""The description of a running stack. ``stack.json`` in its folder contains it."""

import json
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from operations.isolated_session import isolated_session
from sandbox import ROOT
from sandbox.emulator import REGION, ROOT_KEYS
from sandbox.stack.processes import processes_of

STACK_DIR = ROOT / ".local"
"""The folder of the stack that ``make up`` starts."""

# The emulator, and the servers in one process.
_PROCESS_COUNT = 2


@dataclass(frozen=True)
class Stack:
    """The URLs, names and keys of a running stack. The URLs have no slash at the end."""

    callback_url: str
    backend_url: str
    endpoint_url: str
    region: str
    table_name: str
    paynearme_url: str
    faults_url: str | None
    sites: dict[str, dict[str, Any]]
    secret_arn: str
    policy_application_id: str
    policy_environment_id: str
    policy_profile_id: str
    policy_strategy_id: str
    event_bus_name: str
    dead_letter_queue_url: str
    publish_events_function_name: str
    stack_name: str
    access_key_id: str
    secret_access_key: str

    def client(self, service: str) -> Any:
        """Return a boto3 client of the emulator with the permissions of the root user."""
        return client_of(service, self.endpoint_url, **ROOT_KEYS)


def client_of(service: str, endpoint_url: str, **keys: str) -> Any:
    """Return a boto3 client of the emulator with the permissions of ``keys`` (boto3's names)."""
    config = Config(read_timeout=60, max_pool_connections=64, retries={"total_max_attempts": 1})
    return _session().client(  # type: ignore[call-overload] # the service is a variable
        service, endpoint_url=endpoint_url, region_name=REGION, config=config, **keys
    )


@cache
def _session() -> boto3.Session:
    return boto3.Session(botocore_session=isolated_session())


def load(folder: Path) -> Stack | None:
    """Return the stack that runs in ``folder``. Returns None without one, or if its description has other fields."""
    stack_file = folder / "stack.json"
    if not stack_file.exists() or len(processes_of(folder)) < _PROCESS_COUNT:
        return None
    content = json.loads(stack_file.read_text())
    # Another version of this module may have written the file.
    return Stack(**content) if content.keys() == {field.name for field in fields(Stack)} else None
