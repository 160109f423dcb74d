"""Scenarios on the local stack, with checks of each result."""
