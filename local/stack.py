"""The whole system on one machine: the emulator, the deployed template, and PayNearMe's side.

A running stack is described by two files in its folder: ``stack.json`` for whoever wants to drive it,
``processes.json`` for whoever stops it.
"""

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.control import Control
from local.emulator import REGION, ROOT_KEYS
from local.policy import deploy_local_policy
from local.processes import (
    are_running,
    free_port,
    run_to_end,
    start_process,
    stop_processes,
    wait_until_answering,
)
from local.sites import new_sites

ROOT = Path(__file__).resolve().parent.parent
STACK_NAME = "paynearme-local"

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
    dead_letters_url: str
    publish_events_function_name: str
    stack_name: str
    access_key_id: str
    secret_access_key: str

    def client(self, service: str) -> Any:
        """Return a boto3 client of the emulator's, with the rights of the account's root."""
        return client_of(service, self.endpoint_url, **ROOT_KEYS)


def client_of(service: str, endpoint_url: str, **keys: str) -> Any:
    """Return a boto3 client of the emulator's, with the rights of whoever has ``keys`` (boto3's names)."""
    patient = Config(read_timeout=60, max_pool_connections=64, retries={"total_max_attempts": 1})
    return boto3.client(  # type: ignore[call-overload] # the service is a variable here
        service, endpoint_url=endpoint_url, region_name=REGION, config=patient, **keys
    )


def start(folder: Path, progress: Progress, *, with_faults: bool = False) -> Stack:
    """Start everything in ``folder``, or deploy anew onto what runs there, and return the stack.

    ``with_faults`` puts a faulty endpoint between the functions and the emulator (``local.faults``).
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
        addresses = (
            _start_processes(folder, progress, with_faults=with_faults)
            if running is None
            else _Addresses(running.endpoint_url, running.paynearme_url, running.faults_url)
        )
        stack = _deploy(folder, addresses, running, progress)
        progress("Bringing the policy into force")
        deploy_local_policy(stack)
        progress("Entering the callback addresses at PayNearMe")
        Control(f"{stack.paynearme_url}/control").post("callbacks", {"url": stack.callback_url})
        return stack
    except BaseException:
        if running is None:
            stop(folder)
        raise


def load(folder: Path) -> Stack | None:
    """Return the stack that runs in ``folder``, or None where none does that this code knows how to drive."""
    described = folder / "stack.json"
    if not described.exists() or not are_running(folder / "processes.json"):
        return None
    content = json.loads(described.read_text())
    # A former version of this code may have started it.
    return Stack(**content) if content.keys() == {field.name for field in fields(Stack)} else None


def stop(folder: Path) -> None:
    """Stop what runs in ``folder`` and remove the folder. Does nothing where nothing runs."""
    stop_processes(folder / "processes.json")
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class _Addresses:
    endpoint_url: str
    paynearme_url: str
    faults_url: str | None


def _start_processes(folder: Path, progress: Progress, *, with_faults: bool) -> _Addresses:
    # It will hold keys.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    aws_port, paynearme_port, faults_port = free_port(), free_port(), free_port()
    endpoint = f"http://127.0.0.1:{aws_port}"
    faults = f"http://127.0.0.1:{faults_port}" if with_faults else None

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
    if faults:
        services = ("APPCONFIGDATA", "DYNAMODB", "EVENTBRIDGE", "SECRETS_MANAGER", "SQS", "SSM")
        environment |= {f"AWS_ENDPOINT_URL_{service}": faults for service in services}
    processes = folder / "processes.json"
    start_process([str(ROOT / ".venvs/aws/bin/ministack")], environment, folder / "aws.log", processes)
    wait_until_answering(endpoint, folder / "aws.log")

    progress("Starting PayNearMe's side")
    sites = folder / "sites.json"
    sites.write_text(json.dumps(new_sites(f"http://127.0.0.1:{paynearme_port}")))
    command = [
        sys.executable,
        "-m",
        "local.servers",
        "--paynearme-port",
        str(paynearme_port),
        "--sites",
        str(sites),
    ]
    if faults:
        command += ["--faults-port", str(faults_port), "--upstream", endpoint]
    ours = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "layers/shared")])}
    start_process(command, ours, folder / "paynearme.log", processes)
    addresses = _Addresses(endpoint, f"http://127.0.0.1:{paynearme_port}", faults)
    for url in filter(None, (addresses.paynearme_url, faults)):
        wait_until_answering(url, folder / "paynearme.log")
    return addresses


def _deploy(folder: Path, addresses: _Addresses, running: Stack | None, progress: Progress) -> Stack:
    architecture = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    sam = [str(ROOT / ".venvs/sam/bin/sam")]
    environment = {
        # SAM builds with the python3.13 that it finds on the path.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "SAM_CLI_TELEMETRY": "0",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
        # Its notes about itself and its empty folders, which it would leave in other places.
        "__SAM_CLI_APP_DIR": str(folder / "sam"),
        "TMPDIR": str(folder / "tmp"),
    }
    progress("Building with sam build")
    build = ["build", "--config-env", "local", "--parameter-overrides", f"Architecture={architecture}"]
    run_to_end(sam + build, environment, folder / "build.log")

    progress("Deploying with sam deploy")
    overrides = [f"Architecture={architecture}", "Stage=local", f"PayNearMeBaseUrl={addresses.paynearme_url}"]
    overrides += ["DefaultSiteIdentifier=S2155373459", "LogRetentionDays=1"]
    overrides += ["CallbackRateLimit=5000", "CallbackBurstLimit=5000", "PolicyMaxAgeSeconds=1"]
    # The emulator does not know the type.
    overrides += ["LogsQueries=false"]
    aws = {
        "AWS_ENDPOINT_URL": addresses.endpoint_url,
        "AWS_ACCESS_KEY_ID": ROOT_KEYS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": ROOT_KEYS["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": REGION,
    }
    deploy = ["deploy", "--config-env", "local", "--no-progressbar", "--parameter-overrides", *overrides]
    run_to_end(sam + deploy, environment | aws, folder / "deploy.log")

    progress("Entering the sites' keys and the backend's access key")
    stack = _described(folder, addresses, running)
    (folder / "stack.json").write_text(json.dumps(asdict(stack), indent=2) + "\n")
    return stack


def _described(folder: Path, addresses: _Addresses, running: Stack | None) -> Stack:
    """Read what was deployed; on the first time, fill the secret and make the backend's caller."""
    document = json.loads((folder / "sites.json").read_text())

    def client(service: str) -> Any:
        return client_of(service, addresses.endpoint_url, **ROOT_KEYS)

    found = client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]["Outputs"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found}
    if running:
        keys = {"access_key_id": running.access_key_id, "secret_access_key": running.secret_access_key}
    else:
        client("secretsmanager").put_secret_value(
            SecretId=outputs["SitesSecretArn"], SecretString=json.dumps(document)
        )
        keys = _new_backend_caller(client("iam"), outputs["BackendCallerPolicyArn"])
    return Stack(
        **asdict(addresses),
        **keys,
        region=REGION,
        stack_name=STACK_NAME,
        callback_url=_invoke_url(addresses.endpoint_url, outputs["CallbackApiId"]),
        backend_url=_invoke_url(addresses.endpoint_url, outputs["BackendApiId"]),
        table_name=outputs["TableName"],
        secret_arn=outputs["SitesSecretArn"],
        policy_application_id=outputs["PolicyApplicationId"],
        policy_environment_id=outputs["PolicyEnvironmentId"],
        policy_profile_id=outputs["PolicyProfileId"],
        policy_strategy_id=outputs["PolicyStrategyId"],
        event_bus_name=outputs["EventBusName"],
        dead_letters_url=outputs["DeadLettersUrl"],
        publish_events_function_name=outputs["PublishEventsFunctionName"],
        sites=document["sites"],
    )


def _new_backend_caller(iam: Any, policy_arn: str) -> dict[str, str]:
    """Make the IAM user that may call the backend API and nothing else; return its keys."""
    user = f"{STACK_NAME}-backend-caller"
    iam.create_user(UserName=user)
    iam.attach_user_policy(UserName=user, PolicyArn=policy_arn)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}


def _invoke_url(endpoint: str, api: str) -> str:
    return f"{endpoint}/restapis/{api}/local/_user_request_"
