"""What all rooms stand on: arrays, memory, settings, grids, sampling, what an encoding is."""
