"""Singular values of encodings."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn import config_context

from sk_posenc.core.arrays import to_numpy
from sk_posenc.core.checks import checked_array
from sk_posenc.core.memory import check_copies
from sk_posenc.core.settings import parse_integer
from sk_posenc.measures.held_encoder import coordinates_within, encoder_within
from sk_posenc.measures.spectrum import (
    Spectrum,
    rows_that_fit,
    spectrum_of_encoding,
    spectrum_of_matrix,
    subsample,
)
from sk_posenc.plotting._drawing import line_style, line_styles, make_panels, pyplot
from sk_posenc.plotting._names import estimators_by_name


class SpectrumDisplay:
    """Singular values of encodings, with their stable ranks and ranks.

    The area under the squared curve, relative to its first value, is the stable rank.

    Parameters
    ----------
    singular_values : dict of ndarrays
        Largest first, by name.
    stable_rank : dict of float
    rank : dict of int
        Singular values that are more than rounding.

    Attributes
    ----------
    ax_ : Axes
    lines_ : dict of Line2D
        By name.
    figure_ : Figure

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posenc import ShiftedBasisEncoder, SpectrumDisplay
    >>> X = np.linspace(0, 1, 200)[:, None]
    >>> encoders = [ShiftedBasisEncoder(stable_rank=rank).fit(X) for rank in (8, 32)]
    >>> display = SpectrumDisplay.from_estimator(encoders, X)
    >>> {name: round(rank, 1) for name, rank in display.stable_rank.items()}
    {'gaussian, stable rank 8.09': 8.1, 'gaussian, stable rank 32': 32.2}
    """

    def __init__(
        self,
        *,
        singular_values: Mapping[str, NDArray],
        stable_rank: Mapping[str, float],
        rank: Mapping[str, int],
    ) -> None:
        self.singular_values = singular_values
        self.stable_rank = stable_rank
        self.rank = rank

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        max_samples: int = 2000,
        random_state: Any = 0,
        ax: Any = None,
        line_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the spectra of the encodings of `X`.

        Parameters
        ----------
        estimator : fitted encoder, or a list or dict of them
            Call ``fit`` first: a Display fits nothing. Estimators that hold an encoder are
            accepted too.
        X : array-like of shape (n_samples, n_axes)
            Coordinates, as the estimators take them.
        max_samples : int, default=2000
            Largest number of rows that are encoded; of more rows, a random part.
        random_state : int, RandomState instance or None, default=0
            Decides the rows.
        ax : Axes, default=None
            Where to draw. None: a new figure.
        line_kwargs : dict, default=None
            Passed to matplotlib's ``plot``.

        Returns
        -------
        SpectrumDisplay

        Raises
        ------
        ValueError
            For coordinates that are not finite or have another number of axes, and for an
            empty list.
        TypeError
            Where an estimator neither is nor holds an encoder of this package.
        """
        pyplot(f"{cls.__name__}.from_estimator")
        max_samples = parse_integer(max_samples, "max_samples", at_least=2)
        spectra = {}
        for name, each in estimators_by_name(estimator).items():
            encoder = encoder_within(each)
            with config_context(array_api_dispatch=False):
                reaching = coordinates_within(each, to_numpy(X))
                checked = encoder._check_coordinates(reaching, "transform")
                n_rows = rows_that_fit(encoder, len(checked), max_samples)
                rows = subsample(len(checked), n_rows, random_state)
                spectra[name] = spectrum_of_encoding(encoder, checked[rows])
        return cls._of_spectra(spectra).plot(ax, line_kwargs=line_kwargs)

    @classmethod
    def from_encodings(
        cls, encodings: Any, *, ax: Any = None, line_kwargs: Mapping[str, Any] | None = None
    ) -> Self:
        """Draw the spectra of matrices, such as encodings or the layers of a network.

        Parameters
        ----------
        encodings : array-like or sparse matrix of shape (n_samples, n_features), or a dict
            Dict: by name.
        ax : Axes, default=None
            Where to draw. None: a new figure.
        line_kwargs : dict, default=None
            Passed to matplotlib's ``plot``.

        Returns
        -------
        SpectrumDisplay

        Raises
        ------
        ValueError
            For NaN or infinity.
        """
        pyplot(f"{cls.__name__}.from_encodings")
        if not isinstance(encodings, Mapping):
            encodings = {"encoding": encodings}
        for E in encodings.values():
            check_copies(E, 2, "take fewer rows or columns")
        spectra = {
            str(name): spectrum_of_matrix(
                checked_array(
                    E if sparse.issparse(E) else to_numpy(E),
                    accept_sparse="csr",
                    dtype=[np.float64, np.float32],
                    input_name=str(name),
                )
            )
            for name, E in encodings.items()
        }
        return cls._of_spectra(spectra).plot(ax, line_kwargs=line_kwargs)

    @classmethod
    def _of_spectra(cls, spectra: Mapping[str, Spectrum]) -> Self:
        return cls(
            singular_values={name: each.singular_values for name, each in spectra.items()},
            stable_rank={name: each.stable_rank for name, each in spectra.items()},
            rank={name: each.rank for name, each in spectra.items()},
        )

    def plot(self, ax: Any = None, *, line_kwargs: Mapping[str, Any] | None = None) -> Self:
        """Draw: a dot marks the stable rank of a curve, a bar its rank.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw. None: a new figure.
        line_kwargs : dict, default=None
            Passed to matplotlib's ``plot``.

        Returns
        -------
        self
        """
        given = line_style(self, line_kwargs)
        ax = make_panels(self, ax, 1, 1, (6.4, 4.4))[0]
        self.lines_ = {}
        for (name, values), style in zip(
            self.singular_values.items(), line_styles(len(self.singular_values)), strict=True
        ):
            shares = np.maximum(values / values[0], 1e-17)
            index = np.arange(1, len(shares) + 1)
            label = f"{name}\n  stable rank {self.stable_rank[name]:.1f}, rank {self.rank[name]}"
            style = {"label": label, **style, **given}
            self.lines_[name] = ax.plot(index, shares, **style)[0]
            for mark, at in (("o", self.stable_rank[name]), ("|", self.rank[name])):
                height = np.exp(np.interp(at, index, np.log(shares)))
                ax.plot(at, height, mark, color=style["color"], markersize=7 if mark == "o" else 14,
                        markeredgewidth=1.8)  # fmt: skip
        ax.set(
            xscale="log",
            yscale="log",
            xlabel="number of the singular value",
            ylabel="singular value / largest",
        )
        ax.set_ylim(bottom=max(1e-17, ax.get_ylim()[0]))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small", framealpha=0.8)
        self.ax_, self.figure_ = ax, ax.figure
        return self
