"""Coordinate networks: torch modules, the regressor that trains them, their tangent kernel."""
