"""What was built, deployed onto the emulator by the programs and the settings that deploy it onto AWS."""

import os
import platform
import shlex
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.stack.emulator import REGION, ROOT_KEYS
from sandbox.stack.processes import run

_ROOT = Path(__file__).resolve().parents[2]
_SAM = str(_ROOT / ".venvs/sam/bin/sam")
_LAYER = _ROOT / ".aws-sam/build/SharedLayer"


def machine_architecture() -> str:
    """Return this machine's processor, in the words of the template's ``Architecture``."""
    return "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"


def parse_settings(environment: str) -> dict[str, Any]:
    """Return what ``sam deploy`` takes from ``samconfig.toml`` for one of its environments.

    Raises ``KeyError`` where there is no such environment.
    """
    config = tomllib.loads((_ROOT / "samconfig.toml").read_text(encoding="utf-8"))[environment]
    return {**config["global"]["parameters"], **config["deploy"]["parameters"]}


def parameter_overrides(environment: str) -> dict[str, str]:
    """Return the template's parameters that ``samconfig.toml`` sets for an environment; errors as above."""
    pairs = shlex.split(parse_settings(environment).get("parameter_overrides", ""))
    return dict(pair.split("=", maxsplit=1) for pair in pairs)


def build(folder: Path) -> None:
    """Build for this machine, with what the program says and leaves in ``folder``.

    The layer gets its bytecode, too, which goes to no AWS: the emulator has a process for each call at once
    and nothing like SnapStart's images, so each would compile the layer anew. Raises
    ``subprocess.CalledProcessError`` when that fails.
    """
    overrides = ["--parameter-overrides", f"Architecture={machine_architecture()}"]
    run([_SAM, "build", "--config-env", "local", *overrides], _environment(folder), folder / "build.log")
    # The same sources give the same bytecode: what has not changed is not deployed again.
    compile_options = ["-m", "compileall", "-q", "-f", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    run([sys.executable, *compile_options, str(_LAYER)], _environment(folder), folder / "compile.log")


def deploy(folder: Path, environment: str, overrides: Mapping[str, str], endpoint_url: str) -> None:
    """Deploy what is built as the stack of an environment of ``samconfig.toml``.

    ``overrides`` stand in the place of the file's own. What the program says and leaves is in ``folder``.
    Several may be deployed at once. Raises ``subprocess.CalledProcessError`` when it fails.
    """
    aws = {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": ROOT_KEYS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": ROOT_KEYS["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": REGION,
    }
    # Nobody is there to be asked.
    command = [_SAM, "deploy", "--config-env", environment, "--no-progressbar", "--no-confirm-changeset"]
    pairs = [f"{name}={value}" for name, value in overrides.items()]
    log = folder / f"deploy-{environment}.log"
    run([*command, "--parameter-overrides", *pairs], _environment(folder) | aws, log)


def _environment(folder: Path) -> dict[str, str]:
    return {
        # SAM builds with the python3.13 that it finds on the path.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "SAM_CLI_TELEMETRY": "0",
        # The emulator needs no sparing: by itself SAM looks every five seconds how far a deployment is.
        "SAM_CLI_POLL_DELAY": "0.2",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
        # Its notes about itself and its empty folders, which it would leave in other places.
        "__SAM_CLI_APP_DIR": str(folder / "sam"),
        "TMPDIR": str(folder / "tmp"),
    }
