"""
Edges kept sharp
================

A quarter of the pixels of a photograph is known, drawn at random. A penalty of smoothness blurs
its edges; a weak one frays them. ``penalties="adaptive"`` begins with such a fit. It then finds
the edges: where the picture changes, and in which direction. The next fits may bend across an
edge, but not along it.

::

    python examples/edges.py
"""

# %%
# The samples
# -----------

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.interpolate import CloughTocher2DInterpolator, LinearNDInterpolator

from sk_posenc import KroneckerRidgeCV, grid_samples, load_signal, psnr_score, samples_to_grid

image, axes = load_signal("astronaut")
detail = image[30:190, 150:310]
everywhere, values = grid_samples(detail, channels=True)
known = np.random.default_rng(0).uniform(size=len(values)) < 0.25
X, y = everywhere[known], values[known]

# %%
# Fits
# ----
# All choose by themselves: the triangulations have nothing to set, ours hold some samples out.

models = {
    "Delaunay": lambda: LinearNDInterpolator(X, y)(everywhere),
    "Clough-Tocher": lambda: CloughTocher2DInterpolator(X, y)(everywhere),
    "KroneckerRidgeCV()": lambda: KroneckerRidgeCV().fit(X, y).predict(everywhere),
    'penalties="adaptive"': lambda: (
        KroneckerRidgeCV(penalties="adaptive").fit(X, y).predict(everywhere)
    ),
}
pictures = {}
for name, fill in models.items():
    start = time.perf_counter()
    filled = fill()
    seconds = time.perf_counter() - start
    unseen = ~known & np.isfinite(filled).all(axis=1)
    psnr = psnr_score(values[unseen], np.clip(filled[unseen], 0, 1))
    pictures[f"{name}\n{psnr:.2f} dB, {seconds:.2f} s"] = filled
    print(f"{name:22} {psnr:.2f} dB  {seconds:.2f} s")

# %%
# The pictures
# ------------

shown = {
    "the photograph": values,
    "a quarter of its pixels": np.where(known[:, None], values, 1.0),
    **pictures,
}
figure, panels = plt.subplots(2, 3, figsize=(12, 8.6), layout="constrained")
for panel, (name, picture) in zip(panels.flat, shown.items(), strict=True):
    panel.imshow(np.clip(samples_to_grid(np.nan_to_num(picture), detail.shape[:2]), 0, 1))
    panel.set(title=name, xticks=[], yticks=[])
plt.show()
