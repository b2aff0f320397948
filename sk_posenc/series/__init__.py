"""Positions of series: augmented ones."""
