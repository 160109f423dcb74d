"""The region of the AWS emulator and the credentials of its account's root user."""

REGION = "us-east-1"
ROOT_KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
"""Credentials under boto3's names. The emulator grants them all permissions and does not verify their signatures."""
