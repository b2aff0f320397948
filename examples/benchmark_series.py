"""Series: attention with relative positions against what is simpler, on real series.

::

    python examples/benchmark_series.py next     # next steps of five series
    python examples/benchmark_series.py gaps     # gaps in the middle of windows
    python examples/benchmark_series.py unseen   # longer windows, another rate, another city

It needs the packages statsmodels, pvlib and pywavelets, which hold the series.
"""

import argparse
import time

import numpy as np
import series_cases as cases
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from sk_posenc import LogFourierEncoder, ToeplitzAttentionRegressor

SEEDS = range(3)
# All networks see as many batches of as many windows.
N_BATCHES, BATCH = 200, 64


class SoftmaxAttention(nn.Module):
    """Dense attention by torch's own function, without relative positions."""

    def __init__(self, d_model, n_heads, *, causal, relative, max_distance, generator):
        super().__init__()
        self.n_heads, self.causal = n_heads, causal
        self.inlet, self.outlet = (
            nn.utils.skip_init(nn.Linear, d_model, width) for width in (3 * d_model, d_model)
        )
        for layer in (self.inlet, self.outlet):
            bound = (3 / d_model) ** 0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        parts = self.inlet(x).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        z = scaled_dot_product_attention(*parts, is_causal=self.causal)
        return self.outlet(z.transpose(1, 2).flatten(2))


ABSOLUTE = {"relative": False, "encoder": LogFourierEncoder()}
NETWORKS = {
    "attention, relative positions": {},
    "the same layer, encoded steps only": ABSOLUTE,
    "the same layer, no positions": {"relative": False},
    "softmax attention, encoded steps": ABSOLUTE | {"module__attention": SoftmaxAttention},
}


def network(name, n_windows, seed, **settings):
    epochs = max(1, round(N_BATCHES * BATCH / n_windows))
    common = {"max_epochs": epochs, "batch_size": BATCH, "lr": 1e-2, "lr_schedule": "cosine"}
    common |= {"device": "cpu", "random_state": seed}
    return ToeplitzAttentionRegressor(16, 2, 2, **common | NETWORKS[name] | settings)


def rmse(error):
    return float(np.sqrt(np.mean(np.square(error))))


def shown(title, results, unit):
    print(f"\n{title}: root mean square error, in parts of that of {unit}")
    for name, (errors, seconds) in results.items():
        errors = np.stack(errors)  # (n_seeds, n_tests)
        told = "  ".join(
            f"{mean:.3f} ± {half:.3f}" if len(errors) > 1 else f"{mean:.3f}        "
            for mean, half in zip(errors.mean(0), np.ptp(errors, axis=0) / 2, strict=True)
        )
        print(f"  {name:36} {told}  {seconds / len(errors):5.1f} s", flush=True)


def measured(run, seeds):
    """Errors, for each seed a list of them, and CPU seconds of them all."""
    start = time.process_time()
    errors = [np.atleast_1d(run(seed)) for seed in seeds]
    return errors, time.process_time() - start


def compared(peers, run_network, seeds):
    """Errors of all methods."""
    results = {name: measured(run, seeds[:1]) for name, run in peers.items()}
    for kind in NETWORKS:
        results[kind] = measured(lambda seed, kind=kind: run_network(kind, seed), seeds)
    return results


# --- next steps


def next_errors(train, tests, seeds=SEEDS):
    """Errors of all methods on next steps, on each set of windows relative to the season before."""
    n_lags = train.lags.shape[1]
    units = [rmse(cases.seasonal_naive(each) - each.following) for each in tests]

    def errors(predict):
        pairs = zip(tests, units, strict=True)
        return [rmse(predict(each) - each.following) / unit for each, unit in pairs]

    def fitted(model, features):
        model.fit(features(train), train.following - train.lags[:, -1:])
        return errors(lambda each: model.predict(features(each)) + each.lags[:, -1:])

    def lagged(each):
        return cases.table(each, n_lags)

    peers = {
        "last value again": lambda seed: errors(lambda each: each.lags[:, -1:]),
        "ridge on lags": lambda seed: fitted(cases.RidgeOfLags(), lagged),
        "HistGradientBoosting on lags": lambda seed: fitted(cases.BoostedLags(seed), lagged),
    }

    def run_network(kind, seed):
        model = network(kind, len(train.values), seed, target="series")
        return fitted(model, cases.channels)

    return compared(peers, run_network, seeds)


def run_next(names=tuple(cases.CASES), seeds=SEEDS):
    for name in names:
        train, test = cases.two_parts(name)
        shown(name, next_errors(train, [test], seeds), "the season before")


# --- gaps


def gap_errors(train, test, seeds=SEEDS):
    """Errors of all methods in gaps, relative to linear interpolation."""
    truth = test.values[:, test.gap]
    unit = rmse(cases.straight_line(test) - truth)

    def fitted(model):
        model.fit(cases.table_with_gap(train), train.values[:, train.gap] - cases.levels(train))
        filled = model.predict(cases.table_with_gap(test)) + cases.levels(test)
        return rmse(filled - truth) / unit

    def run_network(kind, seed):
        model = network(kind, len(train.values), seed, target="step")
        model.fit(cases.channels_with_gap(train), train.values - cases.levels(train))
        filled = model.predict(cases.channels_with_gap(test)) + cases.levels(test)
        return rmse(filled[:, test.gap] - truth) / unit

    peers = {
        "ridge on known values": lambda seed: fitted(cases.RidgeOfLags()),
        "HistGradientBoosting on them": lambda seed: fitted(cases.BoostedLags(seed)),
    }
    return compared(peers, run_network, seeds)


def run_gaps(names=("El Nino, monthly", "CO2, weekly", "Greensboro, hourly"), seeds=SEEDS):
    for name in names:
        shown(name, gap_errors(*cases.two_parts(name), seeds), "linear interpolation")


# --- what was not seen


def run_unseen(seeds=SEEDS):
    name = "Greensboro, hourly"
    season, n_lags, n_next, every = cases.CASES[name]
    train, test = cases.two_parts(name)
    rest = cases.load(name)[-(len(test.values) * every + n_lags) // season * season :]
    other = cases.load("Sand Point, hourly")[-len(rest) :]
    tests = [
        test,
        cases.cut(rest, season, 2 * n_lags, n_next, every),
        cases.cut(rest[::2], season // 2, n_lags, n_next, every),
        cases.cut(other, season, n_lags, n_next, every),
    ]
    print("\ncolumns: windows as in training, twice as long, every second hour, another town")
    title = "trained on temperatures of Greensboro"
    shown(title, next_errors(train, tests, seeds), "the season before")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", default=["next", "gaps", "unseen"])
    for part in parser.parse_args().parts:
        {"next": run_next, "gaps": run_gaps, "unseen": run_unseen}[part]()
