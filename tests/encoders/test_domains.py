"""Domains: learnt, of numbers, of dates, or the period of dates; for each axis by itself."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sk_posenc import FourierEncoder, KroneckerRidge, KroneckerRidgeCV, ShiftedBasisEncoder
from sk_posenc.core.dates import DateAxis
from sk_posenc.encoders.domains import DaysOfDomain, as_given, domains_of, in_numbers

DAYS = pd.date_range("2024-01-01", periods=30)  # from a Monday on
FRAME = pd.DataFrame({"t": DAYS, "x": np.linspace(0, 1, 30)})
PAIR = (pd.Timestamp("2023-12-31"), pd.Timestamp("2024-02-01"))


def test_a_pair_of_dates():
    encoder = ShiftedBasisEncoder(stable_rank=4, domain=PAIR).fit(FRAME[["t"]])
    assert encoder.domain_.tolist() == [[-1, 31]]
    numbers = np.arange(30.0)[:, None]
    twin = ShiftedBasisEncoder(stable_rank=4, domain=(-1, 31)).fit(numbers)
    np.testing.assert_array_equal(encoder.transform(FRAME[["t"]]), twin.transform(numbers))


def test_one_domain_for_each_axis_and_none_learns():
    encoder = ShiftedBasisEncoder(stable_rank=4, domain=[PAIR, None]).fit(FRAME)
    assert encoder.domain_.tolist() == [[-1, 31], [0, 1]]
    assert domains_of([None, (0, 1)], 2) == [None, (0, 1)]
    assert domains_of("1D", 2) == ["1D", "1D"]
    assert domains_of(np.array([0, 1]), 2) == [(0, 1), (0, 1)]


@pytest.mark.parametrize("make", [ShiftedBasisEncoder, FourierEncoder])
@pytest.mark.parametrize("period", ["1W", "7D", np.timedelta64(7, "D"), pd.Timedelta("7D")])
def test_weeks_repeat_and_start_on_monday(make, period):
    encoder = make(stable_rank=3, boundary="periodic", domain=period).fit(FRAME[["t"]])
    assert encoder.domain_.tolist() == [[0, 7]]
    later = pd.DataFrame({"t": DAYS + pd.Timedelta("700D")})
    np.testing.assert_allclose(
        encoder.transform(later), encoder.transform(FRAME[["t"]]), atol=1e-10
    )
    tuesday = make(stable_rank=3, boundary="periodic", domain=period).fit(FRAME[["t"]][1:])
    assert tuesday.domain_.tolist() == [[-1, 6]]


def test_heads_take_periods_of_some_axes():
    y = np.asarray(DAYS.day_of_week, dtype=float) + FRAME["x"]
    encoder = ShiftedBasisEncoder(boundary=["periodic", "extend"], domain=["week", None])
    model = KroneckerRidge(encoder, alpha=1e-5).fit(FRAME, y)
    assert model.dates_ == (DateAxis(DAYS[0].to_datetime64()), None)
    later = pd.DataFrame({"t": DAYS[:7] + pd.Timedelta("70D"), "x": FRAME["x"][:7]})
    np.testing.assert_allclose(model.predict(later), model.predict(FRAME[:7]), atol=1e-8)
    search = KroneckerRidgeCV([encoder], alphas=[1e-5], stable_ranks=[0.4]).fit(FRAME, y)
    assert [own.domain for own in search.best_encoder_] == ["week", None]
    again = KroneckerRidge(search.best_encoder_, alpha=1e-5).fit(FRAME, y)
    np.testing.assert_allclose(again.predict(later), again.predict(FRAME[:7]), atol=1e-8)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict(later), model.predict(later))


def test_encoders_for_numbers_remember_what_was_given():
    own = in_numbers(ShiftedBasisEncoder(domain=PAIR), (DateAxis(np.datetime64("2024-01-01")),))
    assert isinstance(own.domain, DaysOfDomain)
    assert own.domain == (-1, 31)
    for twin in (clone(own), copy.deepcopy(own), pickle.loads(pickle.dumps(own))):
        assert twin.domain == (-1, 31)
        assert twin.domain.given == PAIR
        assert as_given(twin).domain == PAIR
    assert clone(own).fit(FRAME[["t"]]).domain_.tolist() == [[-1, 31]]  # dates again
    assert own.fit(np.arange(5.0)[:, None]).domain_.tolist() == [[-1, 31]]


def test_blocks_of_dates():
    encoder = ShiftedBasisEncoder("bspline", stable_rank=4, n_shifts=12, domain=PAIR)
    y = np.sin(np.arange(30) / 4)
    model = KroneckerRidge(encoder, penalty=2.0, alpha=1e-6)
    for rows in (slice(0, 15), slice(15, 30)):
        model.partial_fit(FRAME[["t"]][rows], y[rows])
    np.testing.assert_allclose(model.predict(FRAME[["t"]]), y, atol=1e-2)
    first, second = (
        KroneckerRidge(encoder, penalty=2.0, alpha=1e-6).partial_fit(FRAME[["t"]][rows], y[rows])
        for rows in (slice(0, 15), slice(15, 30))
    )
    merged = first.merge(second)
    np.testing.assert_allclose(merged.predict(FRAME[["t"]]), model.predict(FRAME[["t"]]), atol=1e-8)
    plain = KroneckerRidge(encoder.set_params(domain=(-1, 31))).partial_fit(FRAME[["t"]], y)
    later = KroneckerRidge(encoder).partial_fit(FRAME[["t"]][3:], y[3:])
    with pytest.raises(ValueError, match="models with the same dates"):
        plain.merge(later)


def test_blocks_of_periodic_dates():
    settings = {"stable_rank": 3, "n_shifts": 8, "boundary": "periodic", "domain": "1W"}
    y = np.cos(2 * np.pi * np.arange(30) / 7)
    first, second = (
        KroneckerRidge(ShiftedBasisEncoder(**settings), alpha=1e-6).partial_fit(
            FRAME[["t"]][rows], y[rows]
        )
        for rows in (slice(0, 12), slice(12, 30))
    )
    later = pd.DataFrame({"t": DAYS + pd.Timedelta("70D")})
    np.testing.assert_allclose(first.merge(second).predict(later), y, atol=1e-2)


@pytest.mark.parametrize(
    ("X", "settings", "message"),
    [
        (FRAME[["t"]], {"domain": "1W"}, r"is a period: set boundary=.periodic. .*Got"),
        (FRAME[["x"]], {"domain": "1W", "boundary": "periodic"}, "axis 0 holds numbers.*period"),
        (FRAME[["x"]], {"domain": PAIR}, "axis 0 holds numbers, and its domain dates"),
        (FRAME[["t"]], {"boundary": "periodic"}, "needs a domain.*such as .1D"),
        (FRAME, {"domain": [PAIR, None], "boundary": "periodic"}, "needs a domain"),
        (FRAME[["t"]], {"domain": "soon", "boundary": "periodic"}, "must be a period of dates"),
        (FRAME[["t"]], {"domain": PAIR[::-1]}, "low < high"),
        (FRAME[["t"]], {"domain": (pd.NaT, PAIR[0])}, "finite"),
        (FRAME, {"domain": [PAIR]}, "one pair for each of the 2 axes"),
        (FRAME, {"domain": 3.0}, "domain must be a pair"),
        (FRAME[["x"]], {"domain": ["a", "b"]}, "domain must be a pair|period of dates"),
    ],
)  # fmt: skip
def test_bad_domains(X, settings, message):
    with pytest.raises(ValueError, match=message):
        ShiftedBasisEncoder(stable_rank=3, **settings).fit(X)
