"""PayNearMe's protocol, the authorization decision and the ledger, for Lambda functions.

Each package is one capability. Imports point down only, and import-linter enforces it:
``handlers``, then ``submissions``, ``sweep`` and ``events``, then ``ledger`` and ``client``, then
``policy_provider``, then ``sites`` and ``policy``, then ``protocol`` and ``platform``, then ``errors``.
"""
