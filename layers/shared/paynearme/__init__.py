"""PayNearMe's protocol, the authorization decision and the ledger, for Lambda functions.

Each package is one capability. Imports point down only, and import-linter enforces this order:

    handlers, submissions, sweep, events
    ledger, client
    policy_provider
    sites, policy
    protocol, platform
    errors
"""
