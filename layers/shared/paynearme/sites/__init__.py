"""The sites of a deployment and their keys."""
