"""
Holes filled: text, scratches, a block
======================================

A photograph has lost pixels: single ones, under a line of text, in scratches, and in a block. The
others are a grid with holes. ``nan_is_hole=True`` marks them, and ``predict`` fills them.

::

    python examples/inpainting.py
"""

# %%
# The damage
# ----------

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.interpolate import LinearNDInterpolator
from skimage.restoration import inpaint_biharmonic

from sk_posenc import KroneckerRidge, KroneckerRidgeCV, grid_samples, load_signal, psnr_score

image, _ = load_signal("astronaut")
photograph = image[20:180, 140:300]
rows, columns = np.indices(photograph.shape[:2])

figure = plt.figure(figsize=(1.6, 1.6), dpi=100)
figure.text(0.02, 0.83, "sk_posenc", size=17, weight="bold")
figure.canvas.draw()
text = np.asarray(figure.canvas.buffer_rgba())[:, :, 0] < 128
plt.close(figure)
scratches = np.zeros_like(text)
for row, slope in ((60, 0.55), (150, -0.35), (30, 0.15)):
    scratches |= np.abs(rows - row - slope * columns) < 1.2
block = (np.abs(rows - 120) < 9) & (np.abs(columns - 115) < 9)
specks = np.random.default_rng(0).uniform(size=text.shape) < 0.1
damage = {"text": text, "scratches": scratches, "block": block, "specks": specks}
lost = text | scratches | block | specks

damaged = np.where(lost[:, :, None], np.nan, photograph)
X, y = grid_samples(damaged, channels=True)

# %%
# Repairs
# -------
# Delaunay's triangles and biharmonic inpainting have nothing to set. ``KroneckerRidgeCV`` chooses
# how smooth the picture is, and ``penalty="adaptive"`` follows its edges into the holes.


def delaunay() -> np.ndarray:
    known = np.argwhere(~lost)
    return LinearNDInterpolator(known, photograph[~lost])(rows, columns)


repairs = {
    "Delaunay": delaunay,
    "biharmonic": lambda: inpaint_biharmonic(photograph, lost, channel_axis=-1),
    "KroneckerRidgeCV()": lambda: KroneckerRidgeCV(nan_is_hole=True).fit(X, y).predict(X),
    'penalty="adaptive"': lambda: (
        KroneckerRidge(penalty="adaptive", nan_is_hole=True).fit(X, y).predict(X)
    ),
}
pictures = {"damaged": np.nan_to_num(damaged, nan=1.0)}
print(f"{'':20}" + "".join(f"{name:>11}" for name in damage) + "    seconds")
for name, repair in repairs.items():
    start = time.process_time()
    repaired = np.clip(np.reshape(repair(), photograph.shape), 0, 1)
    seconds = time.process_time() - start
    inside = np.isfinite(repaired).all(axis=2)
    parts = [at & inside for at in damage.values()]
    decibels = [psnr_score(photograph[part], repaired[part]) for part in parts]
    print(f"{name:20}" + "".join(f"{each:8.2f} dB" for each in decibels) + f"  {seconds:7.2f}")
    missing = lost & inside
    psnr = psnr_score(photograph[missing], repaired[missing])
    pictures[f"{name}: {psnr:.1f} dB, {seconds:.1f} s"] = np.nan_to_num(repaired, nan=1.0)

# %%
# The pictures
# ------------
# All repairs are smooth inside the block: no pixel there says what it held. Grass, hair or bricks
# need a method that copies texture from elsewhere.

figure, panels = plt.subplots(2, 3, figsize=(12, 8.6), layout="constrained")
shown = {"the photograph": photograph, **pictures}
for panel, (name, picture) in zip(panels.flat, shown.items(), strict=True):
    panel.imshow(picture)
    panel.set(title=name, xticks=[], yticks=[])
plt.show()
