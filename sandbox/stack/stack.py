"""The whole system on one machine: the emulator, the deployed template, and PayNearMe's side.

A running stack is described by two files in its folder: ``stack.json`` for whoever wants to drive it,
``processes.json`` for whoever stops it.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from sandbox.clients.control_client import ControlClient
from sandbox.stack.deployment import build, deploy, machine_architecture, parse_settings
from sandbox.stack.emulator import REGION, ROOT_KEYS
from sandbox.stack.policy import deploy_local_policy
from sandbox.stack.processes import are_running, free_port, start_process, stop_processes, wait_until_ready
from sandbox.stack.sites import new_sites

ROOT = Path(__file__).resolve().parents[2]

type Progress = Callable[[str], None]


@dataclass(frozen=True)
class Stack:
    """What there is to know to drive a running stack. Addresses have no slash at their end."""

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
        """Return a boto3 client of the emulator's, with the rights of the account's root."""
        return client_of(service, self.endpoint_url, **ROOT_KEYS)


def client_of(service: str, endpoint_url: str, **keys: str) -> Any:
    """Return a boto3 client of the emulator's, with the rights of whoever has ``keys`` (boto3's names)."""
    config = Config(read_timeout=60, max_pool_connections=64, retries={"total_max_attempts": 1})
    return boto3.client(  # type: ignore[call-overload] # the service is a variable here
        service, endpoint_url=endpoint_url, region_name=REGION, config=config, **keys
    )


def start(folder: Path, progress: Progress, *, with_faults: bool = False) -> Stack:
    """Start everything in ``folder``, or deploy anew onto what runs there, and return the stack.

    ``with_faults`` puts a faulty endpoint between the functions and the emulator (``sandbox.faults.fault_proxy``).
    Raises ``subprocess.CalledProcessError`` when the build or the deployment fails; then nothing stays.
    """
    # Whatever accounts and proxies this machine has, they are not meant.
    os.environ.pop("AWS_PROFILE", None)
    os.environ["NO_PROXY"] = "127.0.0.1"
    running = load(folder)
    if running is None:
        # Whatever a crash left behind.
        stop(folder)
    try:
        endpoints = (
            _start_processes(folder, progress, with_faults=with_faults)
            if running is None
            else _Endpoints(running.endpoint_url, running.paynearme_url, running.faults_url)
        )
        stack = _deploy(folder, endpoints, running, progress)
        progress("Bringing the policy into force")
        deploy_local_policy(stack)
        progress("Entering the callback addresses at PayNearMe")
        ControlClient(f"{stack.paynearme_url}/control").post("callbacks", {"url": stack.callback_url})
        return stack
    except BaseException:
        if running is None:
            stop(folder)
        raise


def load(folder: Path) -> Stack | None:
    """Return the stack that runs in ``folder``, or None where none does that this code knows how to drive."""
    stack_file = folder / "stack.json"
    if not stack_file.exists() or not are_running(folder / "processes.json"):
        return None
    content = json.loads(stack_file.read_text())
    # A former version of this code may have started it.
    return Stack(**content) if content.keys() == {field.name for field in fields(Stack)} else None


def stop(folder: Path) -> None:
    """Stop what runs in ``folder`` and remove the folder. Does nothing where nothing runs."""
    stop_processes(folder / "processes.json")
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class _Endpoints:
    endpoint_url: str
    paynearme_url: str
    faults_url: str | None


def _start_processes(folder: Path, progress: Progress, *, with_faults: bool) -> _Endpoints:
    # It will hold keys.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    aws_port, paynearme_port, faults_port = free_port(), free_port(), free_port()
    endpoint = f"http://127.0.0.1:{aws_port}"
    faults_url = f"http://127.0.0.1:{faults_port}" if with_faults else None

    progress("Starting the local AWS")
    temporary, state = folder / "tmp", folder / "state"
    temporary.mkdir(exist_ok=True)
    state.mkdir(exist_ok=True)
    # Nothing of this machine's environment: the functions inherit all of the emulator's.
    environment = {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(aws_port),
        "HOME": str(folder),
        "IOT_MTLS_ENABLED": "0",
        "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
        "PERSIST_STATE": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(state),
        "TMPDIR": str(temporary),
    }
    if faults_url:
        services = ("APPCONFIGDATA", "DYNAMODB", "EVENTBRIDGE", "SECRETS_MANAGER", "SQS", "SSM")
        environment |= {f"AWS_ENDPOINT_URL_{service}": faults_url for service in services}
    pid_file = folder / "processes.json"
    emulator = [str(ROOT / ".venvs/aws/bin/python"), str(ROOT / "sandbox/stack/emulator_process.py")]
    start_process(emulator, environment, folder / "aws.log", pid_file)
    wait_until_ready(endpoint, folder / "aws.log")

    progress("Starting PayNearMe's side")
    sites = folder / "sites.json"
    sites.write_text(json.dumps(new_sites(f"http://127.0.0.1:{paynearme_port}")))
    command = [
        sys.executable,
        "-m",
        "sandbox.stack.servers",
        "--paynearme-port",
        str(paynearme_port),
        "--sites",
        str(sites),
    ]
    if faults_url:
        command += ["--faults-port", str(faults_port), "--upstream", endpoint]
    server_environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "layers/shared")])}
    start_process(command, server_environment, folder / "paynearme.log", pid_file)
    endpoints = _Endpoints(endpoint, f"http://127.0.0.1:{paynearme_port}", faults_url)
    for url in filter(None, (endpoints.paynearme_url, faults_url)):
        wait_until_ready(url, folder / "paynearme.log")
    return endpoints


def _deploy(folder: Path, endpoints: _Endpoints, running: Stack | None, progress: Progress) -> Stack:
    progress("Building with sam build")
    build(folder)

    progress("Deploying with sam deploy")
    overrides = {
        "Architecture": machine_architecture(),
        "Stage": "local",
        "PayNearMeBaseUrl": endpoints.paynearme_url,
        "DefaultSiteIdentifier": "S2155373459",
        "LogRetentionDays": "1",
        "CallbackRateLimit": "5000",
        "CallbackBurstLimit": "5000",
        "PolicyCacheSeconds": "1",
        # The emulator does not know the type.
        "SavedQueries": "false",
    }
    deploy(folder, "local", overrides, endpoints.endpoint_url)

    progress("Entering the sites' keys and the backend's access key")
    sites = json.loads((folder / "sites.json").read_text())["sites"]
    keys = _keys_of(running) if running else None
    stack = _read_outputs("local", "local", endpoints, sites, keys)
    (folder / "stack.json").write_text(json.dumps(asdict(stack), indent=2) + "\n")
    return stack


def deploy_second_stage(
    running: Stack,
    folder: Path,
    environment: str,
    overrides: Mapping[str, str],
    sites: Mapping[str, Mapping[str, Any]],
) -> Stack:
    """Deploy what is built once more onto the emulator of ``running``, whose ``folder`` it is.

    Return the stack: another environment's of ``samconfig.toml``, with ``overrides`` in the place of the
    file's. Its secret is filled with ``sites``; no policy is deployed. Raises
    ``subprocess.CalledProcessError`` when the deployment fails.
    """
    endpoints = _Endpoints(running.endpoint_url, running.paynearme_url, running.faults_url)
    deploy(folder, environment, overrides, endpoints.endpoint_url)
    return _read_outputs(environment, overrides["Stage"], endpoints, sites, None)


def _read_outputs(
    environment: str,
    stage: str,
    endpoints: _Endpoints,
    sites: Mapping[str, Mapping[str, Any]],
    keys: dict[str, str] | None,
) -> Stack:
    """Read what was deployed; where the backend has no ``keys`` yet, fill the secret and make its caller."""

    def client(service: str) -> Any:
        return client_of(service, endpoints.endpoint_url, **ROOT_KEYS)

    name = parse_settings(environment)["stack_name"]
    output_items = client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in output_items}
    if keys is None:
        client("secretsmanager").put_secret_value(
            SecretId=outputs["SitesSecretArn"], SecretString=json.dumps({"sites": sites})
        )
        keys = _create_backend_user(client("iam"), name, outputs["BackendCallerPolicyArn"])
    return Stack(
        **asdict(endpoints),
        **keys,
        region=REGION,
        stack_name=name,
        callback_url=_invoke_url(endpoints.endpoint_url, outputs["CallbackApiId"], stage),
        backend_url=_invoke_url(endpoints.endpoint_url, outputs["BackendApiId"], stage),
        table_name=outputs["TableName"],
        secret_arn=outputs["SitesSecretArn"],
        policy_application_id=outputs["PolicyApplicationId"],
        policy_environment_id=outputs["PolicyEnvironmentId"],
        policy_profile_id=outputs["PolicyProfileId"],
        policy_strategy_id=outputs["PolicyStrategyId"],
        event_bus_name=outputs["EventBusName"],
        dead_letter_queue_url=outputs["DeadLetterQueueUrl"],
        publish_events_function_name=outputs["PublishEventsFunctionName"],
        sites={site: dict(entry) for site, entry in sites.items()},
    )


def _keys_of(stack: Stack) -> dict[str, str]:
    return {"access_key_id": stack.access_key_id, "secret_access_key": stack.secret_access_key}


def _create_backend_user(iam: Any, stack_name: str, policy_arn: str) -> dict[str, str]:
    """Make the IAM user that may call a stack's backend API and nothing else; return its keys."""
    user = f"{stack_name}-backend-caller"
    iam.create_user(UserName=user)
    iam.attach_user_policy(UserName=user, PolicyArn=policy_arn)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}


def _invoke_url(endpoint: str, api: str, stage: str) -> str:
    return f"{endpoint}/restapis/{api}/{stage}/_user_request_"
