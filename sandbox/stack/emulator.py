"""The AWS emulator as everything in ``local`` knows it: its region, and the keys of its account's root."""

REGION = "us-east-1"
ROOT_KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
"""Under boto3's names. The emulator lets these do everything, and does not check what they sign."""
