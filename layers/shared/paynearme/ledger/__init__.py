"""The ledger: every fact about payments, orders and customers, stored once, in one table.

This package alone writes the table. Each effect happens once, because a condition on the payment's own item is part
of the transaction that moves the money. A failed condition returns the current item, so a duplicate needs no second
read. No function reads more as the history of a customer grows. Times are timezone-aware.
"""
