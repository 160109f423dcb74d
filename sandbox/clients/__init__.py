"""Clients of the local stack and its servers."""
