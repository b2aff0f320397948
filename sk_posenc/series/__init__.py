"""Series: augmented positions, Toeplitz products, attention with relative positions."""
