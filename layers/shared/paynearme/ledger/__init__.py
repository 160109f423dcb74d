"""The ledger: every fact about payments, orders and customers, stored once, in one table.

This package writes all items of the table except the leases of access tokens (``client/access_token_cache.py``).
``authorization.py`` decides and reserves, ``confirmation.py`` posts, ``reversal.py`` debits, and ``quarantine.py``
stores the callbacks that cannot be processed. Each effect happens once, because a condition on the payment's own item
is part of the transaction that moves the money. A failed condition returns the current item, so a duplicate needs no
second read. No function reads more as the history of a customer grows. Times are timezone-aware.

Duplicates:

==================  ==========================================================================
message            detected by
==================  ==========================================================================
authorization       the ``authorized_…`` attributes of the payment
confirmation        ``schema.WITHOUT_OUTCOME``, and the ``confirmed_…`` attributes of the payment
reversal            the attribute ``reversal_<fingerprint>`` of the payment
``POST /payments``  the ``Idempotency-Key`` (``submissions.py``)
event               ``event_identifier``, by the consumers of the events
quarantine          the key ``QUARANTINE#…``, which contains the fingerprint of the callback
==================  ==========================================================================
"""
