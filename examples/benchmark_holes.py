"""Fills photographs of which single pixels and blocks are missing, beside Delaunay and biharmonic.

    OMP_NUM_THREADS=1 python examples/benchmark_holes.py

prints PSNR in the blocks, PSNR at the other missing pixels, and CPU seconds, in some minutes. The
last line is a photograph of 1,000 x 1,500 pixels by ``KroneckerRidgeCV`` alone.
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from skimage import data
from skimage.restoration import inpaint_biharmonic
from skimage.transform import resize
from sklearn.datasets import load_sample_image

from sk_posenc import KroneckerRidge, KroneckerRidgeCV, grid_samples, psnr_score

PHOTOGRAPHS = {
    "coffee": data.coffee(),
    "astronaut": data.astronaut(),
    "china": load_sample_image("china.jpg"),
}


def damage(shape: tuple[int, ...], corners: list[tuple[int, int]], width: int) -> list[NDArray]:
    """Missing pixels, and those of them in blocks."""
    gone = np.random.default_rng(0).uniform(size=shape[:2]) < 0.3
    blocks = np.zeros_like(gone)
    for i, j in corners:
        blocks[i : i + width, j : j + width] = True
    return [gone | blocks, blocks]


def row(
    name: str, image: NDArray, gone: NDArray, blocks: NDArray, fill: Callable[[], NDArray]
) -> None:
    start = time.process_time()
    filled = fill().reshape(image.shape)
    seconds = time.process_time() - start
    parts = [psnr_score(image[at], filled[at]) for at in (blocks, gone & ~blocks)]
    print(f"{name:32}{parts[0]:8.2f} dB{parts[1]:8.2f} dB{seconds:8.1f} s", flush=True)


def delaunay(image: NDArray, gone: NDArray) -> NDArray:
    filled = image.copy()
    found = LinearNDInterpolator(np.argwhere(~gone), image[~gone])(np.argwhere(gone))
    filled[gone] = np.where(np.isfinite(found), found, image[~gone].mean(axis=0))
    return filled


def fitted(head: KroneckerRidge | KroneckerRidgeCV, X: NDArray, y: NDArray) -> NDArray:
    return head.fit(X, y).predict(X)


def main() -> None:
    for name, photograph in PHOTOGRAPHS.items():
        image = photograph[40:296, 100:356] / 255.0
        corners = [(i, j) for i in range(24, 240, 54) for j in range(24, 240, 54)]
        gone, blocks = damage(image.shape, corners, 16)
        X, y = grid_samples(np.where(gone[:, :, None], np.nan, image), channels=True)
        for head in (KroneckerRidgeCV(), KroneckerRidge(), KroneckerRidge(penalty="adaptive")):
            head.set_params(nan_is_hole=True)
            label = f"{name} {type(head).__name__} {head.get_params().get('penalty', '')}"
            row(label, image, gone, blocks, partial(fitted, head, X, y))
        row(f"{name} Delaunay", image, gone, blocks, partial(delaunay, image, gone))
        biharmonic = partial(inpaint_biharmonic, image, gone, channel_axis=-1)
        row(f"{name} biharmonic", image, gone, blocks, biharmonic)
    image = resize(data.coffee() / 255.0, (1_000, 1_500))
    gone, blocks = damage(image.shape, [(470, 720)], 60)
    X, y = grid_samples(np.where(gone[:, :, None], np.nan, image), channels=True)
    large = KroneckerRidgeCV(nan_is_hole=True)
    row("large coffee KroneckerRidgeCV", image, gone, blocks, partial(fitted, large, X, y))


if __name__ == "__main__":
    main()
