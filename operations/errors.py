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
def cli_errors() -> Iterator[None]:
    """Let whatever fails within end the command with a message and exit code 1, without a stack trace."""
    try:
        yield
    except PolicyInvalidError as error:
        raise click.ClickException("\n".join(["the policy is not valid", *error.errors])) from None
    except OperationError as error:
        raise click.ClickException(str(error)) from None
    except (NoCredentialsError, PartialCredentialsError):
        advice = "sign in, for example with 'aws sso login', or set AWS_PROFILE"
        raise click.ClickException(f"there are no credentials for AWS: {advice}") from None
    except BotoCoreError as error:
        raise click.ClickException(f"AWS cannot be asked: {error}") from None
    except ClientError as error:
        raise click.ClickException("\n".join(_message(error))) from None


def _message(error: ClientError) -> Iterator[str]:
    aws_error = error.response["Error"]
    yield f"AWS refused {error.operation_name}: {aws_error.get('Code')}: {aws_error.get('Message')}"
    details: Any = error.response.get("Details") or {}
    # What AppConfig's validators found.
    for validation_error in details.get("InvalidConfiguration", []):
        yield f"{validation_error.get('Type')}: {validation_error.get('Reason')}"
