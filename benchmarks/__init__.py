"""Measure the costs of the callbacks compared with those of peers, as ratios within one run (``make bench``)."""
