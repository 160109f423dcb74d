"""Wire formats as typed models: PayNearMe's callbacks and API, the backend API, payment events.

The modules use no AWS library, no clock and no environment. Money is ``Decimal`` with two places.
"""
