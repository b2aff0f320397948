"""What every encoder promises: a test class to inherit.

A derived class gives two fixtures, ``encoder`` (not fitted; parametrised over settings)
and ``domain`` (the one pair that it is fitted on), and one hook, ``reference``: the formula
in plain NumPy, from the fitted attributes of the contract alone.
"""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from array_api_compat import array_namespace
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import FeatureUnion, make_pipeline

on_all_domains = pytest.mark.parametrize(
    "domain", [(0.0, 1.0), (100.0, 101.0), (-180.0, 180.0)], ids=str
)
EPS32 = np.finfo(np.float32).eps


def dense_stable_rank(A):
    """By all singular values; of wide matrices by all eigenvalues of the Gram matrix."""
    if min(A.shape) <= 200:
        squares = np.linalg.svd(A, compute_uv=False) ** 2
    else:
        squares = np.linalg.eigvalsh(A.T @ A if len(A) > A.shape[1] else A @ A.T)
    return np.sum(squares) / np.max(squares)


def spread(domain, n, n_axes=2, beyond=0.0):
    """Irregular coordinates over a domain, and as far outside as asked (in its widths)."""
    low, high = domain
    unit = np.random.default_rng(1).uniform(-beyond, 1 + beyond, size=(n, n_axes))
    return low + unit * (high - low)


def largest(A):
    return np.max(np.abs(A))


class EncoderContract:
    """Inherited by the tests of each encoder."""

    @pytest.fixture
    def domain(self):
        return (100.0, 101.0)

    @pytest.fixture
    def fitted(self, encoder, domain):
        return encoder.set_params(domain=domain).fit(spread(domain, 300))

    def reference(self, encoder, X):
        raise NotImplementedError

    def float32_tolerance(self, encoder, X):
        """Largest error in float32, as a share of the peak."""
        return 1e-6

    def away_from_jumps(self, encoder, X):
        """Entries of the encoding where rounding cannot move it by a jump."""
        return np.ones((1, 1), dtype=bool)

    @on_all_domains
    def test_formula(self, fitted, domain):
        X = spread(domain, 400, beyond=0.3)
        expected = self.reference(fitted, X)
        error = np.abs(fitted.transform(X) - expected) * self.away_from_jumps(fitted, X)
        # coordinates off the origin are themselves rounded, and so are large phases
        rounding = max(1.0, largest(domain) / (domain[1] - domain[0]))
        rounding = max(rounding, self.float32_tolerance(fitted, X) / EPS32 * 3e-4)
        assert largest(error) <= 1e-12 * rounding * largest(expected)

    @on_all_domains
    def test_formula_in_float32(self, fitted, domain):
        X = spread(domain, 400, beyond=0.0).astype(np.float32)
        expected = self.reference(fitted, X.astype(np.float64))
        got = fitted.transform(X)
        assert got.dtype == np.float32
        error = np.abs(got - expected) * self.away_from_jumps(fitted, X.astype(np.float64))
        assert largest(error) <= self.float32_tolerance(fitted, X) * largest(expected)

    def test_dtype_and_shape(self, encoder, domain):
        for dtype in (np.float32, np.float64):
            X = spread(domain, 40).astype(dtype)
            E = encoder.set_params(domain=domain).fit_transform(X)
            assert E.dtype == dtype
            assert E.shape == (40, len(encoder.get_feature_names_out()))
        integers = encoder.fit_transform(np.round(spread(domain, 40)).astype(int))
        assert integers.dtype == np.float64

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_a_row_does_not_depend_on_its_batch(self, fitted, domain, dtype):
        X = spread(domain, 1100, beyond=0.2).astype(dtype)
        E = fitted.transform(X)
        ulp = np.finfo(dtype).eps * largest(E)
        np.testing.assert_allclose(fitted.transform(X[::-1])[::-1], E, rtol=0, atol=ulp)
        for row in (0, 1, 511, 512, 513, 1023, 1024, 1099):
            alone = fitted.transform(X[row : row + 1])
            np.testing.assert_allclose(alone[0], E[row], rtol=0, atol=ulp)

    def test_fitted_attributes(self, fitted, domain):
        assert fitted.n_features_in_ == 2
        np.testing.assert_array_equal(fitted.domain_, [domain, domain])
        assert fitted.stable_rank_.shape == (2,)
        assert (fitted.stable_rank_ >= 1).all()
        places = fitted.shifts_ if hasattr(fitted, "shifts_") else fitted.frequencies_
        assert len(places) in (2, fitted.get_feature_names_out().size // 2)

    def test_fit_is_repeatable_and_leaves_parameters_alone(self, encoder, domain):
        X = spread(domain, 60)
        before = encoder.set_params(domain=domain).get_params()
        first, second = encoder.fit_transform(X), clone(encoder).fit_transform(X)
        np.testing.assert_array_equal(first, second)
        assert encoder.get_params() == before

    def test_stable_rank_is_what_dense_samples_have(self, fitted, domain):
        low, high = domain
        x = low + (np.arange(1500) + 0.5) / 1500 * (high - low)
        for axis in range(2):
            X = np.full((1500, 2), low + 0.37 * (high - low))
            X[:, axis] = x
            columns = self.columns_of_axis(fitted, axis)
            measured = dense_stable_rank(fitted.transform(X)[:, columns])
            assert fitted.stable_rank_[axis] == pytest.approx(
                measured, rel=self.stable_rank_tolerance(fitted)
            )

    def stable_rank_tolerance(self, encoder):
        return 0.02

    def columns_of_axis(self, encoder, axis):
        names = encoder.get_feature_names_out()
        return [j for j, name in enumerate(names) if name.startswith(f"x{axis}_")]

    def test_similarity_has_the_shape_of_a_kernel(self, fitted, domain):
        X1, X2 = spread(domain, 30), spread(domain, 20)[::-1]
        assert fitted.similarity(X1, X2).shape == (30, 20)
        own = fitted.similarity(X1)
        np.testing.assert_allclose(own, own.T, rtol=0, atol=1e-12)
        np.testing.assert_allclose(np.diag(own), 1, rtol=0, atol=1e-12)
        assert fitted.similarity(X1.astype(np.float32)).dtype == np.float32

    def test_torch_has_the_same_formula(self, fitted, domain):
        X = spread(domain, 50, beyond=0.2)
        tensor = torch.asarray(X)
        xp = array_namespace(tensor)
        E = fitted._features(tensor, fitted._arrays_like(tensor), xp)
        assert isinstance(E, torch.Tensor)
        expected = fitted.transform(X)
        error = np.abs(E.numpy() - expected) * self.away_from_jumps(fitted, X)
        # sin and cos of the two libraries differ by an ulp of the phase
        assert largest(error) <= 1e-12 * largest(expected)

    def test_of_tensors_that_require_gradients_the_values_count(self, encoder, domain):
        X, Z = spread(domain, 50), spread(domain, 20)
        encoder.set_params(domain=domain)
        expected, kernel = encoder.fit(X).transform(Z), encoder.similarity(X, Z)
        learning = [torch.tensor(each, requires_grad=True) for each in (X, Z)]
        got = encoder.fit(learning[0]).transform(learning[1])
        assert isinstance(got, np.ndarray)
        np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(encoder.similarity(*learning), kernel)
        assert all(each.requires_grad for each in learning)

    def test_names(self, fitted, domain):
        names = fitted.get_feature_names_out()
        assert len(set(names)) == len(names) == fitted.transform(spread(domain, 3)).shape[1]
        renamed = fitted.get_feature_names_out(["lat", "lon"])
        assert len(set(renamed)) == len(names)
        with pytest.raises(ValueError, match="input_features"):
            fitted.get_feature_names_out(["lat"])

    def test_clone_and_pickle(self, fitted, domain):
        X = spread(domain, 20)
        np.testing.assert_array_equal(
            pickle.loads(pickle.dumps(fitted)).transform(X), fitted.transform(X)
        )
        assert not hasattr(clone(fitted), "stable_rank_")

    def test_frames_in_and_out(self, encoder, domain):
        frame = pd.DataFrame(spread(domain, 30), columns=["lat", "lon"])
        encoder.set_params(domain=domain).fit(frame)
        names = list(encoder.get_feature_names_out())
        assert names[0].startswith("lat")
        plain = encoder.transform(frame)
        for output, kind in (("pandas", pd.DataFrame), ("polars", pl.DataFrame)):
            framed = encoder.set_output(transform=output).transform(frame)
            assert isinstance(framed, kind)
            assert list(framed.columns) == names
            np.testing.assert_array_equal(framed.to_numpy(), plain)

    def test_in_composition(self, encoder, domain):
        X = spread(domain, 60)
        y = np.sin(X[:, 0])
        encoder.set_params(domain=domain)
        width = encoder.fit_transform(X).shape[1]
        both = FeatureUnion([("a", encoder), ("b", clone(encoder))])
        assert both.fit_transform(X).shape == (60, 2 * width)
        one = ColumnTransformer([("where", encoder, [1])], remainder="passthrough")
        np.testing.assert_array_equal(
            one.fit_transform(X)[:, :-1], clone(encoder).fit_transform(X[:, [1]])
        )
        model = make_pipeline(encoder, Ridge(alpha=1e-3))
        predicted = cross_val_predict(model, X, y, cv=3)
        assert predicted.shape == y.shape
        assert np.isfinite(predicted).all()

    def test_read_only_input(self, encoder, domain):
        X = spread(domain, 30)
        before = X.copy()
        X.setflags(write=False)
        encoder.set_params(domain=domain).fit_transform(X)
        encoder.similarity(X)
        np.testing.assert_array_equal(X, before)

    @pytest.mark.parametrize(
        ("X", "message"),
        [
            ([[np.nan, 0.0]], "NaN"),
            ([[np.inf, 0.0]], "infinity"),
            (np.empty((0, 2)), "0 sample"),
            (np.empty((3, 0)), "0 feature"),
            ([["a", "b"]], "column 0 of X must hold numbers"),
            ([1.0, 2.0], "1D array"),
            (np.zeros((2, 2, 2)), "dim 3"),
            (np.array([[1j, 0.0]]), "Complex"),
        ],
        ids=["nan", "inf", "no rows", "no axes", "text", "1-D", "3-D", "complex"],
    )
    def test_bad_coordinates(self, encoder, domain, X, message):
        encoder.set_params(domain=domain)
        with pytest.raises(ValueError, match=message):
            encoder.fit(X)
        encoder.fit(spread(domain, 10))
        for method in (encoder.transform, encoder.similarity):
            with pytest.raises(ValueError, match=message):
                method(X)

    def test_wrong_width(self, fitted):
        with pytest.raises(ValueError, match="X has 3 features"):
            fitted.transform(np.zeros((4, 3)))

    @pytest.mark.parametrize(
        "bad",
        [
            (1.0, 1.0),
            (2.0, 1.0),
            (0.0, np.nan),
            (0.0, np.inf),
            (0.0,),
            (0.0, 1.0, 2.0),
            ((0.0, 1.0),) * 3,
            "unit",
            3.0,
            (None, 1.0),
        ],
        ids=str,
    )
    def test_bad_domain(self, encoder, bad):
        with pytest.raises(ValueError, match="domain"):
            encoder.set_params(domain=bad).fit(np.zeros((4, 2)))

    def test_a_failed_fit_changes_nothing(self, fitted, domain):
        X = spread(domain, 20)
        before, state = fitted.transform(X), fitted.__dict__.copy()
        for bad_X, bad_domain in (
            ([[np.nan, 0.0]], domain),
            (np.zeros((9, 3)), ((0, 1), (0, 1))),
            (pd.DataFrame({"a": [0.0, 1.0]}), (1.0, 0.0)),
        ):
            fitted.domain = bad_domain
            with pytest.raises(ValueError, match=r"NaN|domain"):
                fitted.fit(bad_X)
            fitted.domain = domain
            assert fitted.__dict__.keys() == state.keys()
            assert all(fitted.__dict__[name] is state[name] for name in state)
            np.testing.assert_array_equal(fitted.transform(X), before)

    def test_constant_column(self, encoder):
        X = np.column_stack([np.full(50, 7.0), np.linspace(0, 1, 50)])
        if getattr(encoder, "boundary", None) == "periodic":
            pytest.skip("a periodic axis needs a domain")
        encoder.set_params(domain=None).fit(X)
        np.testing.assert_array_equal(encoder.domain_, [[6.5, 7.5], [0.0, 1.0]])
        assert np.isfinite(encoder.transform(X)).all()
