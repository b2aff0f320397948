"""Models to maps: predictions on labelled grids, and gaps of maps filled."""
