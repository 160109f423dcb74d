"""Errors of an operation, as messages for the operator."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from paynearme.errors import PolicyInvalidError


class OperationError(RuntimeError):
    """An operation is impossible. The text contains the cause and the operator's next step."""


@contextmanager
def cli_errors() -> Iterator[None]:
    """Convert errors to a message and exit code 1, without a stack trace."""
    try:
        yield
    except PolicyInvalidError as error:
        raise click.ClickException("\n".join(["the policy is not valid", *error.errors])) from None
    except OperationError as error:
        raise click.ClickException(str(error)) from None
    except (NoCredentialsError, PartialCredentialsError):
        advice = "sign in, for example with 'aws sso login', or set AWS_PROFILE"
        raise click.ClickException(f"no AWS credentials: {advice}") from None
    except BotoCoreError as error:
        raise click.ClickException(f"the request to AWS failed: {error}") from None
    except ClientError as error:
        raise click.ClickException("\n".join(_message(error))) from None


def _message(error: ClientError) -> Iterator[str]:
    aws_error = error.response["Error"]
    yield f"AWS rejected {error.operation_name}: {aws_error.get('Code')}: {aws_error.get('Message')}"
    details: Any = error.response.get("Details") or {}
    # The results of AppConfig's validators.
    for validation_error in details.get("InvalidConfiguration", []):
        yield f"{validation_error.get('Type')}: {validation_error.get('Reason')}"
