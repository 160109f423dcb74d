"""Measure the costs of callbacks, imports and long histories, as ratios within one run."""
