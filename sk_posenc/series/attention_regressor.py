"""Values of series by attention over their steps: a skorch regressor."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Tags
from skorch import NeuralNetRegressor

from sk_posenc.core.checks import check_weights, checked_array
from sk_posenc.core.r_squared import r_squared
from sk_posenc.networks.meanwhile import of_one_network
from sk_posenc.networks.scaling import check_targets, in_units_of_targets
from sk_posenc.networks.standardised import StandardisedTargets
from sk_posenc.series._series_estimator import SeriesEstimator
from sk_posenc.series.series_network import SeriesNetwork


class ToeplitzAttentionRegressor(StandardisedTargets, SeriesEstimator, NeuralNetRegressor):
    r"""Predict values of series, or of each of their steps, by attention with relative positions.

    Steps of a series are a time apart that is always the same. The network is `SeriesNetwork`: a
    few layers of `ToeplitzAttention`, whose weights depend on how far apart two steps are. Their
    time and memory grow as n log n with the number n of steps. It is trained on the mean squared
    error of standardised targets.

    Series come in one of three forms:

    - an array (n_series, n_steps, n_channels);
    - a table (n_series, n_steps) with a row for each series, of one channel, such as windows of
      lags. Each row is a sample, as anywhere in scikit-learn;
    - a long table, with a row for each step. `series` and `time` name the columns that tell which
      series and when; all others are channels. Rows may stand in any order.

    Parameters
    ----------
    d_model : int, default=32
        Numbers that stand for a step between layers.
    n_heads : int, default=4
        Heads of each attention; they divide `d_model`.
    n_layers : int, default=2
        Number of attentions.
    causal : bool, default=False
        Whether a step sees earlier ones and itself only.
    relative : bool, default=True
        Whether attention has weights of relative positions.
    encoder : encoder of this package, default=None
        Encodes the time of each step, beside the channels: the column `time`, or else the numbers
        0, 1, ... of the steps. None: time is not seen, beyond relative positions.
    max_distance : int, default=None
        Steps up to which relative positions have weights of their own; beyond it they have those
        at it. None: all distances in the series of `fit`.
    series : str or int, default=None
        Column of a long table that tells the series of a row, by number or text. None: all rows
        are one series.
    time : str or int, default=None
        Column of a long table that tells the time of a row, by numbers or dates. None: rows of a
        series stand in order, without a time. With `series` None too, `X` is no long table.
    target : {"auto", "step", "series"}, default="auto"
        Whether y is of steps or of series. "auto": of steps in long tables, and where y has three
        axes; else of series.
    random_state : int, RandomState instance or None, default=None
        Decides the initial weights and the order of the series.
    module : type, default=SeriesNetwork
        The network that is trained; `module__attention` replaces its attention.
    criterion : type, default=torch.nn.MSELoss
        The loss, of targets with mean 0 and standard deviation 1.
    lr : float, default=3e-3
        Learning rate.
    **parameters : dict
        Training, as of `CoordinateMLPRegressor`: `max_epochs`, `batch_size` (in series), `device`,
        `lr_schedule`, `early_stopping`, `checkpoint`, and others of skorch.

    Attributes
    ----------
    module_ : SeriesNetwork
        The fitted network; its buffers hold the scaling.
    encoder_ : encoder
        The fitted encoder of time; only where `encoder` is given.
    history_ : skorch.history.History
        One record per epoch, with `train_loss` in standardised units.
    n_channels_ : int
        Channels of the series.
    step_ : float or None
        Time between steps, in units of the column `time` (days of dates); None without it.
    n_features_in_ : int
        Columns of the table, or channels of an array.
    feature_names_in_ : ndarray of shape (n_columns,)
        Names of the columns, where a table had string names.
    dates_ : tuple
        For each column that is not `series`, None or what counts as day 0 of its dates.

    See Also
    --------
    ToeplitzAttention : The attention.
    SeasonalRidge : A trend and seasons in closed form: try it first for one long series.

    Notes
    -----
    *Lengths.* All series of one call have as many steps as each other; another call may have
    others. Only in a table of lags the number of columns is that of `fit`.

    *Scaling.* Each channel, and each output, is standardised by its mean and standard deviation
    over the training series. A level that drifts is not taken out: subtract the last value of each
    window, or the like, before.

    *Rates.* Weights of relative positions count steps. In a long table with `time` the steps must
    be as long as in `fit`, unless ``relative=False``.

    *Weights.* `sample_weight` is that of series; in a long table all rows of a series have it.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ToeplitzAttentionRegressor
    >>> wave = np.sin(np.arange(400) / 3)
    >>> windows = np.lib.stride_tricks.sliding_window_view(wave, 13)
    >>> X, y = windows[:, :-1], windows[:, -1]
    >>> model = ToeplitzAttentionRegressor(8, 2, 1, max_epochs=20, random_state=0)
    >>> bool(model.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.9)
    True

    A long table, with a value for each step:

    >>> import pandas as pd
    >>> table = pd.DataFrame({
    ...     "place": np.repeat(["A", "B", "C", "D"], 30),
    ...     "day": np.tile(pd.date_range("2024-01-01", periods=30), 4),
    ...     "rain": np.random.default_rng(0).random(120),
    ... })
    >>> model = ToeplitzAttentionRegressor(
    ...     8, 2, 1, causal=True, series="place", time="day", max_epochs=2, random_state=0
    ... )
    >>> flow = table.groupby("place")["rain"].cumsum()
    >>> model.fit(table, flow).predict(table).shape
    (120,)
    """

    def __init__(
        self,
        d_model: int = 32,
        n_heads: int = 4,
        n_layers: int = 2,
        *,
        causal: bool = False,
        relative: bool = True,
        encoder: Any = None,
        max_distance: int | None = None,
        series: str | int | None = None,
        time: str | int | None = None,
        target: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        module: Any = SeriesNetwork,
        criterion: Any = torch.nn.MSELoss,
        lr: float = 3e-3,
        **parameters: Any,
    ) -> None:
        super().__init__(
            module, random_state=random_state, criterion=criterion, lr=lr, **parameters
        )
        self.d_model = d_model
        self.n_heads = n_heads
        self.n_layers = n_layers
        self.causal = causal
        self.relative = relative
        self.encoder = encoder
        self.max_distance = max_distance
        self.series = series
        self.time = time
        self.target = target

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, **fit_params: Any
    ) -> Self:
        """Fit the network, from new weights unless `warm_start` is set.

        Parameters
        ----------
        X : array-like of shape (n_series, n_steps, n_channels) or (n_series, n_steps), or table
            Series in one of the three forms.
        y : array-like
            Targets of series, (n_series,) or (n_series, n_outputs), or of steps, (n_series,
            n_steps) or (n_series, n_steps, n_outputs). Those of a long table have an entry for
            each row.
        sample_weight : array-like, default=None
            What each series counts: 0 is absent, 2 is twice. It has an entry for each entry of y.
            None: all count alike.
        **fit_params : dict
            Passed to `train_split`.

        Returns
        -------
        self : ToeplitzAttentionRegressor

        Raises
        ------
        ValueError
            For NaN, series of several lengths or of one step, times that are not regular, targets
            that do not fit the series, and settings that are impossible.
        TypeError
            For settings of the wrong type.
        FloatingPointError
            Where training diverges.
        """
        return super().fit(X, y, sample_weight, **fit_params)

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        classes: object = None,
        sample_weight: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Train for `max_epochs` more epochs, with the scaling learnt in the first call.

        Parameters
        ----------
        X : array-like or table
            As in :meth:`fit`; series may have another length.
        y : array-like
            Targets, of the shape of before.
        classes : ignored
            Present for the signature of skorch.
        sample_weight : array-like, default=None
            What each series counts. None: all count alike.
        **fit_params : dict
            Passed to `train_split`.

        Returns
        -------
        self : ToeplitzAttentionRegressor
        """
        return super().partial_fit(X, y, classes, sample_weight, **fit_params)

    @of_one_network
    def predict(self, X: ArrayLike) -> NDArray:
        """Predict in the units and the form of the targets given to `fit`.

        Parameters
        ----------
        X : array-like or table
            Series in the form of `fit`, of any length of at least 2 steps.

        Returns
        -------
        y : ndarray, float64
            A value for each series or step; for a long table in the order of its rows.
        """
        outputs, panel = self._outputs(X)
        values = in_units_of_targets(self.module_, outputs)
        if not np.isfinite(values).all():
            self._raise_diverged("predictions are not finite")
        return (
            self._shape.of_array(values) if panel is None else self._shape.of_table(values, panel)
        )

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The share of the variance that predictions explain, R squared.

        Parameters
        ----------
        X : array-like or table
        y : array-like
            Targets as in :meth:`fit`.
        sample_weight : array-like, default=None
            What each series counts.

        Returns
        -------
        float
            At most 1; over all steps, and as a mean over several outputs.
        """
        predicted = self.predict(X)
        truth = checked_array(y, ensure_2d=False, allow_nd=True, dtype=np.float64, input_name="y")
        if sample_weight is not None:
            sample_weight = check_weights(sample_weight, len(predicted))
        if not self._is_long() and self._shape.per_step:
            n_outputs, n_steps = self._shape.n_outputs, predicted.shape[1]
            if truth.size != predicted.size:
                raise ValueError(
                    f"y must have shape {predicted.shape}, as predictions have. "
                    f"Got shape {truth.shape}."
                )
            truth, predicted = (each.reshape(-1, n_outputs) for each in (truth, predicted))
            if sample_weight is not None:
                sample_weight = np.repeat(sample_weight, n_steps)
        return r_squared(truth, predicted, sample_weight)

    def _check_range(self, y: NDArray[np.float64]) -> None:
        check_targets(y, None)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.input_tags.three_d_array = True
        return tags
