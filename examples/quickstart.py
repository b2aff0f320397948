"""
Quickstart: an image in, a picture out
======================================

A quarter of the pixels of a photograph is known. A few lines learn the image from them and
paint it at any resolution.

::

    python examples/quickstart.py
"""

# %%
# The whole of it
# ---------------
# Samples are coordinates ``X``, one row for each pixel, and values ``y``.
# ``KroneckerRidgeCV`` chooses the encoding of the coordinates, its resolution and how much to
# smooth by leave-one-out, all in closed form.

import matplotlib.pyplot as plt
import numpy as np

from sk_posenc import KroneckerRidgeCV, grid_samples, load_signal, psnr_score, samples_to_grid

image, (rows, columns) = load_signal("astronaut")
known = image[::2, ::2]  # every second pixel of every second row
X, y = grid_samples(known, (rows[::2], columns[::2]), channels=True)

model = KroneckerRidgeCV().fit(X, y)

everywhere, truth = grid_samples(image, (rows, columns), channels=True)
picture = samples_to_grid(model.predict(everywhere), (512, 512))

figure, axes = plt.subplots(1, 3, figsize=(12, 4.4), layout="constrained")
cut = slice(60, 220), slice(140, 300)  # the face, to see the pixels
shown = {"known": known.repeat(2, 0).repeat(2, 1), "learnt": picture, "the photograph": image}
for axis, (title, pixels) in zip(axes, shown.items(), strict=True):
    axis.imshow(np.clip(pixels[cut], 0, 1))
    axis.set(title=title, xticks=[], yticks=[])
plt.show()

# %%
# How good is it?
# ---------------
# Only pixels that were not given tell. The PSNR is in decibels; 6 dB more halve the error.

unseen = np.ones((512, 512), dtype=bool)
unseen[::2, ::2] = False
psnr = psnr_score(truth[unseen.ravel()], model.predict(everywhere[unseen.ravel()]))
print(f"{psnr:.1f} dB on {unseen.sum():,} unseen pixels; chosen: {model.best_encoder_}")

# %%
# On a clean grid such as this one a cubic spline is as good; :doc:`/when_not` has the table. The
# same lines take scattered pixels, pixels with noise, series and volumes. Any point can be asked
# for, also between the pixels, and how steep the image is there:

somewhere = np.array([[0.25, 0.43], [0.2505, 0.4303]])
print(model.predict(somewhere).round(3))
print(model.predict(somewhere, derivative=(0, 1)).round(1), "per unit of the second axis")
