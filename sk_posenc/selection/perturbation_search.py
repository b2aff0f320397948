"""A search for the encoding of a network that trains all candidates in one network."""

from __future__ import annotations

import numbers
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.metrics import check_scoring
from sklearn.model_selection import ShuffleSplit
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sk_posenc.core.callback_support import CallbackSupport, fit_told, managed
from sk_posenc.core.checks import checked_array, checked_data
from sk_posenc.core.folds import folds_of
from sk_posenc.core.settings import parse_flag, parse_integer, parse_number, random_state_of
from sk_posenc.networks.regressor import CoordinateMLPRegressor
from sk_posenc.selection._candidates_of_edges import check_candidates, columns_of, mixture_of
from sk_posenc.selection._perturbation import Found, decide
from sk_posenc.selection._search_progress import EpochsTold, SearchProgress
from sk_posenc.selection._supernet import AlphaSteps, Supernet

__all__ = ["PerturbationSearchCV"]

_FEWEST_ROWS = 4


def _refits(search: Any) -> bool:
    if search.refit:
        return True
    raise AttributeError(
        f"{type(search).__name__} has no model, as refit=False: set refit=True, or fit a clone of "
        "estimator with best_params_."
    )


class PerturbationSearchCV(CallbackSupport, MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    r"""Choose an encoder by one training of a network that holds all candidates.

    *It does not beat a fixed rule.* On ten real signals it lost more than always taking random
    Fourier features at 0.12 of the samples per axis, which costs nothing. The guide's page
    *Choosing an encoding* has the figures and says what to use. The method is here to be held
    against others, and for candidates among which one alone knows something.

    The first layer of the network is a mixture of all candidates,

    .. math:: h(x) = \sum_e \sum_o \mathrm{softmax}(\alpha_e)_o \, h_{eo}(x_e).

    It is trained once. Then each candidate is removed in turn, and the one whose removal lowers
    the validation score most is kept [1]_.

    Parameters
    ----------
    estimator : CoordinateMLPRegressor
        The network to choose for, or one of a class that derives from it. Its `encoder` is
        replaced by the candidates. The search has its module, optimiser, learning rate, schedule
        and batches; its `callbacks`, `early_stopping`, `checkpoint` and `train_split` hold for the
        refit alone.
    encoders : list of encoders
        Two or more candidates of this package, unfitted.
    edges : list of list of int or str, default=None
        Groups of columns of `X`, by number or by name, each with a choice of its own from
        `encoders`; each column is in one. None: one choice for all columns.
    validation : float, splitter or iterable of splits, default=0.5
        The rows that judge. A share of the rows, drawn at random; or a splitter, such as
        :class:`CoordinateKFold`, whose first split is used.
    fix_alpha : bool, default=True
        Whether :math:`\alpha` stays as it begins. False: it is trained on the validation rows, by
        a step of Adam before each step of the weights.
    initial_alpha : array-like, default=None
        Where :math:`\alpha` begins, of shape (n_candidates,) or (n_edges, n_candidates). None: all
        candidates count alike.
    search_epochs : int, default=50
        Passes over the training rows before candidates are removed.
    tune_epochs : int, default=5
        Passes after each decision, at a tenth of the learning rate.
    scoring : str, callable or None, default=None
        Score of validation rows, and of :meth:`score`. None: R squared.
    refit : bool, default=True
        Whether to train `estimator` with the choice on all rows, from scratch.
    random_state : int, RandomState instance or None, default=None
        Decides the validation rows, the weights and batches of the search, and the order of the
        edges. The refit goes by the `random_state` of `estimator`.
    verbose : int, default=0
        1 prints a line for each stage. Callbacks of scikit-learn hear of each epoch of the search,
        each candidate that is removed, and the refit.

    Attributes
    ----------
    masked_scores_ : ndarray of shape (n_edges, n_candidates)
        Validation score without each candidate, when its edge was decided: the lowest is chosen.
    alpha_ : ndarray of shape (n_edges, n_candidates)
        At the end of the search. Its largest entries are what plain DARTS would choose.
    best_index_ : int, or ndarray of shape (n_edges,) where `edges` are given
        The chosen candidates.
    best_params_ : dict
        "encoder", the choice; for several edges a ColumnTransformer of the choices.
    best_score_ : float
        Validation score of the network of the search with the choices alone. Its weights are not
        those of `best_estimator_`.
    best_estimator_ : estimator
        The refit: `estimator` with the chosen encoder, or for several edges a Pipeline of the
        ColumnTransformer and `estimator`.
    cv_results_ : dict of arrays
        A row for each candidate of each edge: "edge", "param_encoder", "params", "alpha",
        "masked_score", "score_drop" (what the removal costs) and "rank", 1 for the choice.
    scorer_ : callable
        What `scoring` stands for.
    n_features_in_, feature_names_in_, dates_
        As of `CoordinateMLPRegressor`.

    See Also
    --------
    suggest_encoder : Ranks encoders without training.
    sklearn.model_selection.GridSearchCV : Trains each candidate.

    Notes
    -----
    *From the paper*: the mixture, weights and :math:`\alpha` on separate rows, to first order; Adam
    at 3e-4 with betas (0.5, 0.999) for :math:`\alpha`, or :math:`\alpha` fixed; the removal of one
    candidate without a change to the weights of the others; edges in random order; a tenth of the
    learning rate and 5 epochs of tuning after each decision; the chosen network trained from
    scratch.

    *Adapted*: candidates are encodings in place of convolutions. The features of each are centred
    and scaled, mapped to 64 columns by a linear layer without bias, and normalised row by row, so
    that :math:`h_{eo}` has mean 0 and variance 1. The score is that of a regression in place of an
    accuracy. Encoders are fitted to all coordinates, as the refit fits them; targets of validation
    rows stay unseen.

    *Where it fails.* Candidates that are nearly the same may stand in for each other when one is
    removed, and a warning names them. Where the layers after the mixture are not linear, the
    removal of any candidate of large weight disturbs them, needed or not: leave
    :math:`\alpha` equal. A MultigridEncoder is trained without its penalty in the search.

    References
    ----------
    .. [1] R. Wang, M. Cheng, X. Chen, X. Tang, C.-J. Hsieh. "Rethinking architecture selection in
       differentiable NAS". ICLR 2021, arXiv:2108.04392.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import CoordinateMLPRegressor, FourierEncoder, PerturbationSearchCV
    >>> X = np.random.default_rng(0).uniform(size=(300, 1))
    >>> y = np.sign(np.sin(2 * np.pi * 7 * X[:, 0]))  # of period 1 / 7
    >>> encoders = [
    ...     FourierEncoder(3, domain=(0, 1 / n), boundary="periodic") for n in (5, 7, 11)
    ... ]
    >>> network = CoordinateMLPRegressor(hidden_layer_sizes=(32,), lr=1e-2, max_epochs=20)
    >>> search = PerturbationSearchCV(network, encoders, random_state=0).fit(X, y)
    >>> search.best_index_
    1
    """

    def __init__(
        self,
        estimator: Any,
        encoders: Any,
        *,
        edges: Any = None,
        validation: Any = 0.5,
        fix_alpha: bool = True,
        initial_alpha: Any = None,
        search_epochs: int = 50,
        tune_epochs: int = 5,
        scoring: Any = None,
        refit: bool = True,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.encoders = encoders
        self.edges = edges
        self.validation = validation
        self.fix_alpha = fix_alpha
        self.initial_alpha = initial_alpha
        self.search_epochs = search_epochs
        self.tune_epochs = tune_epochs
        self.scoring = scoring
        self.refit = refit
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Search, and fit the estimator with the chosen encoder on all rows.

        After an error or Ctrl-C the search is what it was before.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_axes)
            Coordinates.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        Returns
        -------
        self : PerturbationSearchCV

        Raises
        ------
        TypeError
            For settings of the wrong type, and another estimator than a CoordinateMLPRegressor.
        ValueError
            For fewer than two candidates, edges that do not hold each column once, settings
            beyond their range, and rows that cannot be split.
        FloatingPointError
            Where training diverges.

        Warns
        -----
        UserWarning
            Where candidates are nearly the same encoding.
        """
        managed(_fit_managed)(self, X, y)
        return self

    def _fit(self, X: Any, y: Any, progress: SearchProgress) -> None:
        encoders = self._check_settings()
        checked, targets = checked_data(
            self, X, y, multi_output=True, y_numeric=True, dtype=[np.float64, np.float32]
        )
        targets = np.asarray(targets, dtype=np.float64)
        columns = columns_of(self.edges, checked.shape[1], getattr(self, "feature_names_in_", None))
        alpha = self._first_alpha(len(columns), len(encoders))
        seed = self.random_state  # None must not draw from NumPy's global generator
        rng = np.random.RandomState() if seed is None else random_state_of(seed)
        rows = self._split(checked, targets, rng)
        self.scorer_ = self._scorer()
        self._search(checked, targets, rows, encoders, columns, alpha, rng, progress)
        if self.refit:
            model = self._discrete()
            with progress.refit(model, X, y):
                model.fit(X, y)
            self.best_estimator_ = model
            progress.line("fit the choice on all rows")

    def _search(
        self,
        X: NDArray,
        y: NDArray,
        rows: tuple[NDArray, NDArray],
        encoders: list[Any],
        columns: list[list[int]],
        alpha: NDArray,
        rng: np.random.RandomState,
        progress: SearchProgress,
    ) -> None:
        train, valid = rows
        trains = self.estimator.train_encoder
        mixed = mixture_of(encoders, columns, X, self.dates_, trains, alpha, rng)
        seed, order_seed = (int(rng.randint(2**31 - 1)) for _ in range(2))
        net = Supernet(self.estimator, mixed, y[train], seed)
        told = EpochsTold(progress)
        steps = [] if self.fix_alpha else [AlphaSteps(net, X[valid], y[valid], order_seed)]
        net.train(X[train], y[train], self.search_epochs, *steps, told)
        progress.line(f"train {mixed.alpha.numel()} candidates at once")
        self.alpha_ = net.alpha()
        net.slow_down()
        found = decide(
            net,
            lambda: self._scored(net, X[valid], y[valid]),
            lambda: net.train(X[train], y[train], self.tune_epochs, told),
            rng.permutation(len(columns)),
            progress,
        )
        self.masked_scores_, self.best_score_ = found.masked, found.score
        self.cv_results_ = self._results(encoders, found)
        self._choose(encoders, columns, found.chosen)

    def _choose(self, encoders: list[Any], columns: list[list[int]], chosen: NDArray) -> None:
        picked = [clone(encoders[index]) for index in chosen]
        self.best_index_ = chosen if self.edges is not None else int(chosen[0])
        if columns == [list(range(self.n_features_in_))]:
            self.best_params_ = {"encoder": picked[0]}
            return
        parts = [(f"edge{n}", *each) for n, each in enumerate(zip(picked, columns, strict=True))]
        self.best_params_ = {"encoder": ColumnTransformer(parts, sparse_threshold=0)}

    def _results(self, encoders: list[Any], found: Found) -> dict[str, NDArray]:
        """A row for each candidate of each edge."""
        n_edges, n_candidates = found.masked.shape
        listed = np.empty(n_candidates, dtype=object)
        listed[:] = encoders
        drop = found.whole[:, None] - found.masked
        return {
            "edge": np.repeat(np.arange(n_edges), n_candidates),
            "param_encoder": np.tile(listed, n_edges),
            "params": np.array([{"encoder": each} for each in encoders] * n_edges),
            "alpha": self.alpha_.ravel(),
            "masked_score": found.masked.ravel(),
            "score_drop": drop.ravel(),
            "rank": rankdata(found.masked, method="min", axis=1).astype(np.intp).ravel(),
        }

    def _discrete(self) -> Any:
        """The estimator with the chosen encoders, to be trained from scratch."""
        model, encoder = clone(self.estimator), self.best_params_["encoder"]
        if isinstance(encoder, ColumnTransformer):
            network = model.set_params(encoder=None)
            return Pipeline([("encoder", clone(encoder)), ("network", network)])
        return model.set_params(encoder=clone(encoder))

    def _split(
        self, X: NDArray, y: NDArray, rng: np.random.RandomState
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows that train and rows that judge."""
        if len(X) < _FEWEST_ROWS:
            raise ValueError(
                f"a search needs at least {_FEWEST_ROWS} rows, to train and to judge. "
                f"Got n_samples = {len(X)}."
            )
        given, seed = self.validation, int(rng.randint(2**31 - 1))
        if isinstance(given, numbers.Real) and not isinstance(given, numbers.Integral):
            share = parse_number(given, "validation", above=0, below=1)
            given = ShuffleSplit(1, test_size=share, random_state=seed)
        elif isinstance(given, str | numbers.Integral | None):
            raise TypeError(
                "validation must be a share of the rows between 0 and 1, or a splitter such as "
                f"CoordinateKFold(4), whose first fold judges. Got {self.validation!r}."
            )
        return next(folds_of(given, X, y, name="validation"))

    def _scorer(self) -> Any:
        if not (self.scoring is None or isinstance(self.scoring, str) or callable(self.scoring)):
            raise TypeError(
                "scoring must be the name of a scorer, a scorer, or None, as one number decides. "
                f"Got {self.scoring!r}."
            )
        try:
            return check_scoring(self.estimator, self.scoring)
        except ValueError as error:
            raise ValueError(
                "scoring must be the name of a scorer, a scorer, or None: "
                f"{error}. Got {self.scoring!r}."
            ) from error

    def _first_alpha(self, n_edges: int, n_candidates: int) -> NDArray[np.float64]:
        if self.initial_alpha is None:
            return np.zeros((n_edges, n_candidates))
        alpha = checked_array(
            self.initial_alpha,
            ensure_2d=False,
            dtype=np.float64,
            ensure_all_finite=False,
            ensure_min_samples=0,
            input_name="initial_alpha",
        )
        if alpha.shape == (n_candidates,):
            alpha = np.tile(alpha, (n_edges, 1))
        if alpha.shape != (n_edges, n_candidates) or not np.isfinite(alpha).all():
            raise ValueError(
                f"initial_alpha must hold a finite number for each candidate, in shape "
                f"({n_candidates},) or ({n_edges}, {n_candidates}). Got {self.initial_alpha!r}."
            )
        return alpha

    def _check_settings(self) -> list[Any]:
        if not isinstance(self.estimator, CoordinateMLPRegressor):
            raise TypeError(f"estimator must be a CoordinateMLPRegressor. Got {self.estimator!r}.")
        if self.estimator.augmenter is not None:
            raise ValueError(
                "estimator must have no augmenter: the search trains on rows as they are. "
                f"Got augmenter={self.estimator.augmenter!r}."
            )
        parse_flag(self.fix_alpha, "fix_alpha")
        parse_flag(self.refit, "refit")
        parse_integer(self.search_epochs, "search_epochs")
        parse_integer(self.tune_epochs, "tune_epochs", at_least=0)
        return check_candidates(self.encoders)

    @available_if(_refits)
    def predict(self, X: ArrayLike) -> NDArray:
        """Predict with the refitted estimator; see `CoordinateMLPRegressor.predict`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_axes)
            Coordinates.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            In the units of the targets.
        """
        check_is_fitted(self)
        predicted: NDArray = self.best_estimator_.predict(X)
        return predicted

    @available_if(_refits)
    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Score of the refitted estimator by `scoring`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_axes)
            Coordinates.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        Returns
        -------
        float
            R squared where `scoring` is None.
        """
        check_is_fitted(self)
        return self._scored(self.best_estimator_, X, y)

    def _scored(self, model: Any, X: Any, y: Any) -> float:
        try:
            return float(self.scorer_(model, X, y))
        except TypeError as error:
            if isinstance(self.scoring, str) or self.scoring is None:
                raise
            raise TypeError(
                f"scoring must take (estimator, X, y) and give a number: {error}. "
                f"Got {self.scoring!r}."
            ) from error

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _fit_managed(search: PerturbationSearchCV, X: Any, y: Any) -> None:
    with fit_told(search, X=X, y=y) as (fitted, context):
        fitted._fit(X, y, SearchProgress(fitted, context))
