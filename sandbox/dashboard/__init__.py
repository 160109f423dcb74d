"""Draw the CloudWatch dashboard of the local stack."""
