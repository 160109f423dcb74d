"""Wire formats as typed models: PayNearMe's callbacks and API, the backend API, payment events.

Pure: no AWS library, no clock, no environment. Money is ``Decimal`` with two places.
"""
