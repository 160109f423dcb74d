"""Build the template, and deploy it to the emulator with the programs and settings of a deployment to AWS."""

import os
import platform
import shlex
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox import ROOT
from sandbox.emulator import REGION, ROOT_KEYS
from sandbox.stack.processes import run

_SAM = str(ROOT / ".venvs/sam/bin/sam")


def machine_architecture() -> str:
    """Return the architecture of this machine, as a value of the template's ``Architecture``."""
    return "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"


def parse_settings(environment: str) -> dict[str, Any]:
    """Return the settings of ``sam deploy`` in ``samconfig.toml`` for one of its environments.

    Raises ``KeyError`` for an unknown environment.
    """
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))[environment]
    return {**config["global"]["parameters"], **config["deploy"]["parameters"]}


def parameter_overrides(environment: str) -> dict[str, str]:
    """Return the template's parameters of an environment in ``samconfig.toml``. Raises ``KeyError`` as above."""
    pairs = shlex.split(parse_settings(environment).get("parameter_overrides", ""))
    return dict(pair.split("=", maxsplit=1) for pair in pairs)


def build(folder: Path) -> None:
    """Build for this machine, with the log in ``folder``. Raises ``subprocess.CalledProcessError`` on failure."""
    overrides = ["--parameter-overrides", f"Architecture={machine_architecture()}"]
    run([_SAM, "build", "--config-env", "local", *overrides], _environment(folder), folder / "build.log")


def deploy(folder: Path, environment: str, overrides: Mapping[str, str], endpoint_url: str) -> None:
    """Deploy the built template as the stack of an environment in ``samconfig.toml``, with the log in ``folder``.

    ``overrides`` replace the template's parameters of that file. Different stacks can be deployed concurrently. Raises
    ``subprocess.CalledProcessError`` on failure.
    """
    aws = {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": ROOT_KEYS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": ROOT_KEYS["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": REGION,
    }
    command = [_SAM, "deploy", "--config-env", environment, "--no-progressbar", "--no-confirm-changeset"]
    pairs = [f"{name}={value}" for name, value in overrides.items()]
    log = folder / f"deploy-{environment}.log"
    run([*command, "--parameter-overrides", *pairs], _environment(folder) | aws, log)


def _environment(folder: Path) -> dict[str, str]:
    return {
        # SAM builds with the first python3.13 of the path.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "SAM_CLI_TELEMETRY": "0",
        # SAM's default interval of five seconds protects AWS's quota. The emulator has none.
        "SAM_CLI_POLL_DELAY": "0.2",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        # SAM otherwise writes files to the home folder and to the system's temporary folder.
        "__SAM_CLI_APP_DIR": str(folder / "sam"),
        "TMPDIR": str(folder / "tmp"),
    }
