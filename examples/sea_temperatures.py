"""
Series: attention finds the year
================================

Sea surface temperatures of the El Nino region, month by month from 1950 to 2010. A network of
attention sees three years, less their last value, and predicts the next six months. Nobody tells
it of the calendar: it has learnt weights of distances between months instead. The page shows these
weights, what they are worth beside simpler methods, and what happens with windows of a length that
training did not have.

::

    python examples/sea_temperatures.py
"""

# %%
# Windows of a series
# -------------------
# The last 18 years are the test. No window reaches from one part into the other.

import matplotlib.pyplot as plt
import numpy as np
import statsmodels.api as sm
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.multioutput import MultiOutputRegressor

from sk_posenc import ToeplitzAttentionRegressor

values = sm.datasets.elnino.load_pandas().data.iloc[:, 1:].to_numpy(float).ravel()
months = 1950 + np.arange(len(values)) / 12
PAST, AHEAD, CUT = 36, 6, 12 * 43


def windows(part, past=PAST):
    """What is known, less its last value; that value; and what follows, less it."""
    cut = np.lib.stride_tricks.sliding_window_view(part, past + AHEAD)
    last = cut[:, past - 1 : past]
    return cut[:, :past] - last, last, cut[:, past:] - last


X, _, y = windows(values[:CUT])
X_test, last, y_test = windows(values[CUT:])
print(f"{len(X)} windows for training, {len(X_test)} for the test")

# %%
# Attention, and simpler methods
# ------------------------------
# A table of lags has a row for each series, as anywhere in scikit-learn. What comes out has six
# columns: values of the series, not of its steps.

small = {"d_model": 16, "n_heads": 2, "n_layers": 2, "device": "cpu", "random_state": 0}
training = {"max_epochs": 40, "batch_size": 64, "lr": 1e-2, "lr_schedule": "cosine"}
attention = ToeplitzAttentionRegressor(**small, **training)
models = {
    "ridge on lags": RidgeCV(np.logspace(-3, 4, 15)),
    "gradient boosting on lags": MultiOutputRegressor(
        HistGradientBoostingRegressor(max_iter=50, random_state=0)
    ),
    "attention without positions": ToeplitzAttentionRegressor(**small, **training, relative=False),
    "attention, relative positions": attention,
}
predicted = {"the season before": X_test[:, -12 : -12 + AHEAD]}
for name, model in models.items():
    predicted[name] = model.fit(X, y).predict(X_test)
for name, ahead in predicted.items():
    error = np.sqrt(np.mean((ahead - y_test) ** 2))
    print(f"{name:30} {error:.2f} °C")

# %%
# What was learnt of distances
# ----------------------------
# Each head has a weight for each distance. All of them started at 0. They now rise and fall with
# the distance, and the period is a year: a step looks at months of its own season, or of another.

figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
layers = attention.module_.layers
distance = np.arange(1 - PAST, PAST)
for i, layer in enumerate(layers):
    for head, weights in enumerate(layer.attention.relative_weights.detach().numpy()):
        weights = weights - weights.mean()  # a number that is added to all changes nothing
        axes[0].plot(distance, weights, label=f"layer {i + 1}, head {head + 1}")
axes[0].set_xticks(np.arange(-36, 37, 12))
axes[0].grid(axis="x", alpha=0.5)
axes[0].set(xlabel="months from a step to what it sees", ylabel="learnt weight b")
axes[0].legend(fontsize=8)
for name, ahead in predicted.items():
    errors = np.sqrt(np.mean((ahead - y_test) ** 2, axis=0))
    axes[1].plot(np.arange(1, AHEAD + 1), errors, "o-", label=name)
axes[1].set(xlabel="months ahead", ylabel="root mean square error, °C", ylim=(0, None))
axes[1].legend(fontsize=8)
first = 40
known = np.arange(CUT + first, CUT + first + PAST)
following = np.arange(known[-1] + 1, known[-1] + 1 + AHEAD)
axes[2].plot(months[known[-18:]], values[known[-18:]], color="black", label="known")
axes[2].plot(months[following], values[following], "o", color="black", label="what came")
for name, colour in [("ridge on lags", "C1"), ("attention, relative positions", "C4")]:
    axes[2].plot(months[following], (predicted[name] + last)[first], color=colour, label=name)
axes[2].set_xticks([1998, 1998.5, 1999, 1999.5], ["1998", "July", "1999", "July"])
axes[2].set(ylabel="sea surface temperature, °C")
axes[2].legend(fontsize=8)

# %%
# Lengths that were not in training
# ---------------------------------
# Distances mean the same in a longer window. An array (n_series, n_steps, n_channels) may have any
# number of steps; beyond the largest distance of `fit` the weight stays what it is there.

for past in (24, 36, 48, 72):
    longer, _, truth = windows(values[CUT:], past)
    error = np.sqrt(np.mean((attention.predict(longer[:, :, None]) - truth) ** 2))
    print(f"{past} months known: {error:.2f} °C")
plt.show()
