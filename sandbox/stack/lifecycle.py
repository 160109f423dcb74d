"""Start, deploy and stop the local stack: the emulator, the deployed template, and the fake PayNearMe.

The folder of a running stack contains ``stack.json`` for its users.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import urllib3

from sandbox import ROOT
from sandbox.emulator import REGION, ROOT_KEYS
from sandbox.stack.deployment import build, deploy, machine_architecture, parse_settings
from sandbox.stack.policy import deploy_local_policy
from sandbox.stack.processes import free_port, start_process, stop_processes, wait_until_ready
from sandbox.stack.sites import new_sites
from sandbox.stack.stack import Stack, client_of, load

type Progress = Callable[[str], None]
"""Receives the description of each step."""

_HOST_URL = "http://127.0.0.1"
_FAULTY_SERVICES = ("APPCONFIGDATA", "DYNAMODB", "EVENTBRIDGE", "SECRETS_MANAGER", "SQS", "SSM")


@dataclass(frozen=True)
class _Endpoints:
    endpoint_url: str
    paynearme_url: str
    faults_url: str | None


def start(folder: Path, progress: Progress, *, with_faults: bool = False) -> Stack:
    """Start a stack in ``folder``, or deploy again to the stack that runs there.

    ``with_faults`` starts a fault proxy between the functions and the emulator. If an error occurs, a new stack stops.
    Raises ``subprocess.CalledProcessError`` for a failed build or deployment, ``OperationError`` for an invalid policy,
    and ``RuntimeError`` if a server does not start.
    """
    running = load(folder)
    if running is None:
        # A crash can leave processes and files.
        stop(folder)
    # The folder will contain keys.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The emulator and the build need it, and a cleanup of temporary files can have removed it.
    (folder / "tmp").mkdir(exist_ok=True)
    try:
        endpoints = _endpoints_of(running) if running else _start_processes(folder, progress, with_faults=with_faults)
        stack = _deploy(folder, endpoints, running, progress)
        progress("Deploying the policy")
        deploy_local_policy(stack)
        progress("Setting the callback URL at the fake PayNearMe")
        _set_callback_url(stack)
        return stack
    except BaseException:
        if running is None:
            stop(folder)
        raise


def stop(folder: Path) -> None:
    """Stop the stack in ``folder``, also if the folder is missing, and remove the folder.

    If the environment variable ``STACK_LOG_DIR`` is set, the log files are copied to that folder first.
    """
    stop_processes(folder)
    logs = sorted(folder.glob("*.log"))
    if logs and (log_dir := os.environ.get("STACK_LOG_DIR")):
        Path(log_dir).mkdir(parents=True, exist_ok=True)
        for log in logs:
            shutil.copy(log, log_dir)
    shutil.rmtree(folder, ignore_errors=True)


def deploy_second_stage(
    running: Stack, folder: Path, environment: str, overrides: Mapping[str, str], sites: Mapping[str, Mapping[str, Any]]
) -> Stack:
    """Deploy the built template to the emulator of ``running`` as another stack, and return that stack.

    ``folder`` is the folder of ``running``. ``overrides`` replace the parameters of the ``environment`` in
    ``samconfig.toml``. The secret gets ``sites``. No policy is deployed. Raises ``subprocess.CalledProcessError`` if
    the deployment fails.
    """
    endpoints = _endpoints_of(running)
    deploy(folder, environment, overrides, endpoints.endpoint_url)
    return _read_outputs(environment, overrides["Stage"], endpoints, sites, None)


def _endpoints_of(stack: Stack) -> _Endpoints:
    return _Endpoints(stack.endpoint_url, stack.paynearme_url, stack.faults_url)


def _start_processes(folder: Path, progress: Progress, *, with_faults: bool) -> _Endpoints:
    aws_port, paynearme_port, faults_port = free_port(), free_port(), free_port()
    faults_url = f"{_HOST_URL}:{faults_port}" if with_faults else None
    endpoints = _Endpoints(f"{_HOST_URL}:{aws_port}", f"{_HOST_URL}:{paynearme_port}", faults_url)
    progress("Starting the AWS emulator")
    _start_emulator(folder, aws_port, endpoints)
    progress("Starting the fake PayNearMe")
    (folder / "sites.json").write_text(json.dumps(new_sites(endpoints.paynearme_url)))
    command = [sys.executable, "-m", "sandbox.stack.servers", "--paynearme-port", str(paynearme_port)]
    if faults_url:
        command += ["--faults-port", str(faults_port), "--upstream", endpoints.endpoint_url]
    server_environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start_process(command, server_environment, folder / "paynearme.log", folder)
    for url in filter(None, (endpoints.paynearme_url, faults_url)):
        wait_until_ready(url, folder / "paynearme.log")
    return endpoints


def _start_emulator(folder: Path, port: int, endpoints: _Endpoints) -> None:
    temporary, state = folder / "tmp", folder / "state"
    state.mkdir(exist_ok=True)
    # Nothing of this machine's environment, because the functions inherit the emulator's.
    environment = {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
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
    if endpoints.faults_url:
        environment |= {f"AWS_ENDPOINT_URL_{service}": endpoints.faults_url for service in _FAULTY_SERVICES}
    command = [str(ROOT / ".venvs/aws/bin/python"), str(ROOT / "sandbox/stack/emulator_process.py")]
    start_process(command, environment, folder / "aws.log", folder)
    wait_until_ready(endpoints.endpoint_url, folder / "aws.log")


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
        # The emulator does not support the resource type.
        "SavedQueries": "false",
    }
    deploy(folder, "local", overrides, endpoints.endpoint_url)

    progress("Storing the sites' keys, and creating the backend's access key")
    sites = running.sites if running else json.loads((folder / "sites.json").read_text())["sites"]
    keys = None
    if running:
        keys = {"access_key_id": running.access_key_id, "secret_access_key": running.secret_access_key}
    stack = _read_outputs("local", "local", endpoints, sites, keys)
    (folder / "stack.json").write_text(json.dumps(asdict(stack), indent=2) + "\n")
    return stack


def _read_outputs(
    environment: str,
    stage: str,
    endpoints: _Endpoints,
    sites: Mapping[str, Mapping[str, Any]],
    keys: dict[str, str] | None,
) -> Stack:
    """Return the deployed stack. Without ``keys``, store the sites' secret and create the backend's user."""

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
        callback_url=f"{endpoints.endpoint_url}/restapis/{outputs['CallbackApiId']}/{stage}/_user_request_",
        backend_url=f"{endpoints.endpoint_url}/restapis/{outputs['BackendApiId']}/{stage}/_user_request_",
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


def _create_backend_user(iam: Any, stack_name: str, policy_arn: str) -> dict[str, str]:
    """Create an IAM user with permission for the stack's backend API only, and return its keys."""
    user = f"{stack_name}-backend-caller"
    iam.create_user(UserName=user)
    iam.attach_user_policy(UserName=user, PolicyArn=policy_arn)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}


def _set_callback_url(stack: Stack) -> None:
    url = f"{stack.paynearme_url}/control/callbacks"
    response = urllib3.request("POST", url, json={"url": stack.callback_url}, retries=False)
    if response.status != 204:
        raise RuntimeError(f"the fake PayNearMe rejected the callback URL with status {response.status}")
