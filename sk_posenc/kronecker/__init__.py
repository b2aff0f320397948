"""Ridge regression in closed form on the Kronecker product of the encodings of the axes."""
