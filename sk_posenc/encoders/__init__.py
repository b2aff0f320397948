"""Encoders: coordinates to features."""
