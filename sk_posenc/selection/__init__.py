"""Choosing an encoding: coordinate folds and suggestions."""
