"""Requests to PayNearMe: HTTP, signatures, OAuth 2.0 access tokens."""
