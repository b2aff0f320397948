"""Positions of nodes in a graph, from their paths to anchors."""
