"""A deterministic simulation of the layer: concurrent functions, a table in memory, faults and invariants.

One random generator determines the order of all requests, so a number reproduces a run exactly.
"""
