"""What an operator or a maintainer runs: ``python -m operations``."""
