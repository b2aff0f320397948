"""Signals over coordinates: grids to samples and back, real data."""
