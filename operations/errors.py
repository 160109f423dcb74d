"""What stops an operation, in words for who started it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from paynearme.errors import PolicyInvalidError


class OperationError(RuntimeError):
    """An operation cannot be done. Its text says why, and what to do."""


@contextmanager
def told_plainly() -> Iterator[None]:
    """Let whatever fails within end the command with a message and exit code 1, without a stack trace."""
    try:
        yield
    except PolicyInvalidError as error:
        raise click.ClickException("\n".join(["the policy is not valid", *error.faults])) from None
    except OperationError as error:
        raise click.ClickException(str(error)) from None
    except (NoCredentialsError, PartialCredentialsError):
        advice = "sign in, for example with 'aws sso login', or set AWS_PROFILE"
        raise click.ClickException(f"there are no credentials for AWS: {advice}") from None
    except BotoCoreError as error:
        raise click.ClickException(f"AWS cannot be asked: {error}") from None
    except ClientError as error:
        raise click.ClickException("\n".join(_refusal(error))) from None


def _refusal(error: ClientError) -> Iterator[str]:
    said = error.response["Error"]
    yield f"AWS refused {error.operation_name}: {said.get('Code')}: {said.get('Message')}"
    details: Any = error.response.get("Details") or {}
    # What AppConfig's validators found.
    for fault in details.get("InvalidConfiguration", []):
        yield f"{fault.get('Type')}: {fault.get('Reason')}"
