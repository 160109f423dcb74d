"""PayNearMe's protocol, the payment decision and the ledger, for Lambda functions.

Arrows point one way: ``gateway``, ``ledger`` and ``client`` use ``policy``, ``messages`` and
``signing``, which use ``errors``. The domain (``signing``, ``messages``, ``policy``) knows no AWS.
"""
