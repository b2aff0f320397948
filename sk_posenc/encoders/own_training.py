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
        Batches of a fit, from which the number of epochs follows. None: as the next four say.
    enough_batches, enough_epochs : int
        A fit has as many batches and as many epochs as these, or more,
    most_rows : int
        but no more epochs than show this number of rows,
    least_epochs : int
        unless these are fewer than this.
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
    enough_batches: int = 1000
    enough_epochs: int = 1
    most_rows: int = 2**20
    least_epochs: int = 20
    scales_columns: bool = True
    fused: bool = False


# Networks over coordinates without an encoder, or with one that states nothing.
PLAIN = OwnTraining(
    lr=3e-3,
    lr_schedule="warmup_cosine",
    batch_size=512,
    enough_batches=640,
    enough_epochs=40,
    most_rows=655_360,
    least_epochs=10,
)
# The same for networks of sines, which larger rates throw off.
SINES = PLAIN._replace(lr=1e-4)
# The same for targets with noise, which more epochs would learn by heart.
NOISY = PLAIN._replace(enough_batches=160, enough_epochs=10)
# Other networks.
GENERAL = OwnTraining()
