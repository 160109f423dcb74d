"""Static checks of the template by tools for AWS: cfn-lint, checkov and parliament. Nothing here calls AWS."""
