"""What an encoder states about the training of a network that holds it."""

from typing import NamedTuple


class OwnTraining(NamedTuple):
    """What "auto" means in a network; None: what it means for plain networks.

    Attributes
    ----------
    hidden_layer_sizes : tuple of int
    lr : float
    lr_schedule : str
    batch_size : int or None
        Rows a batch.
    n_steps : int or None
        Batches of a fit, from which the number of epochs follows.
    scales_columns : bool
        Whether columns are scaled to a mean square of 1 before training. Columns that training
        makes from nothing have no size of their own yet.
    fused : bool
        Whether Adam may take its fused form, which rounds differently.
    """

    hidden_layer_sizes: tuple[int, ...] = (256, 256, 256, 256)
    lr: float = 1e-3
    lr_schedule: str = "constant"
    batch_size: int | None = None
    n_steps: int | None = None
    scales_columns: bool = True
    fused: bool = False


# Networks without an encoder, or with one that states nothing.
PLAIN = OwnTraining()
