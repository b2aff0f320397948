"""Shared foundations: arrays, memory, settings, grids, sampling, the interface of encodings."""
