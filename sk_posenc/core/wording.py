"""Numbers in sentences."""


def counted(n: int, what: str) -> str:
    """How many there are: 1 sample, 2 samples, 1,000 samples."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"
