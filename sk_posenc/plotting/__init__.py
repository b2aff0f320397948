"""Displays: figures of encodings and reconstructions, drawn by matplotlib."""
