"""Fills photographs of which single pixels and blocks are missing, beside Delaunay and biharmonic.

    OMP_NUM_THREADS=1 python examples/benchmark_holes.py

prints PSNR in the blocks, PSNR at the other missing pixels, and CPU seconds, in some minutes: of
ten photographs at their own size, of 256 x 256 pixels of three of them with methods that are slow,
and of one of 1,000 x 1,500 pixels by ``KroneckerRidgeCV`` alone.
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

NAMES = (
    *("astronaut", "camera", "coffee", "china", "flower"),
    *("brick", "grass", "chelsea", "rocket", "coins"),
)
CROPS = ("coffee", "astronaut", "china")


def photograph(name: str) -> NDArray:
    """Of three channels, or of one, between 0 and 1."""
    if name in ("china", "flower"):
        return load_sample_image(f"{name}.jpg") / 255.0
    image = getattr(data, name)() / 255.0
    return image if image.ndim == 3 else image[:, :, None]


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
    print(f"{name:40}{parts[0]:8.2f} dB{parts[1]:8.2f} dB{seconds:8.1f} s", flush=True)


def delaunay(image: NDArray, gone: NDArray) -> NDArray:
    filled = image.copy()
    found = LinearNDInterpolator(np.argwhere(~gone), image[~gone])(np.argwhere(gone))
    filled[gone] = np.where(np.isfinite(found), found, image[~gone].mean(axis=0))
    return filled


def fitted(head: KroneckerRidge | KroneckerRidgeCV, X: NDArray, y: NDArray) -> NDArray:
    return head.fit(X, y).predict(X)


def blocks_of(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Corners of blocks of 16 x 16 pixels, all over the image."""
    rows, columns = (range(24, n - 20, 54) for n in shape[:2])
    return [(i, j) for i in rows for j in columns]


def native(name: str) -> None:
    image = photograph(name)
    gone, blocks = damage(image.shape, blocks_of(image.shape), 16)
    X, y = grid_samples(np.where(gone[:, :, None], np.nan, image), channels=True)
    label = f"{name} {image.shape}"
    row(f"{label} Delaunay", image, gone, blocks, partial(delaunay, image, gone))
    row(f"{label} ours", image, gone, blocks, partial(fitted, search(), X, y))


def search() -> KroneckerRidgeCV:
    return KroneckerRidgeCV(nan_is_hole=True)


def cropped(name: str) -> None:
    image = photograph(name)[40:296, 100:356]
    gone, blocks = damage(image.shape, blocks_of(image.shape), 16)
    X, y = grid_samples(np.where(gone[:, :, None], np.nan, image), channels=True)
    for head in (search(), KroneckerRidge(), KroneckerRidge(penalty="adaptive")):
        head.set_params(nan_is_hole=True)
        label = f"{name} {type(head).__name__} {head.get_params().get('penalty', '')}"
        row(label, image, gone, blocks, partial(fitted, head, X, y))
    row(f"{name} Delaunay", image, gone, blocks, partial(delaunay, image, gone))
    biharmonic = partial(inpaint_biharmonic, image, gone, channel_axis=-1)
    row(f"{name} biharmonic", image, gone, blocks, biharmonic)


def main() -> None:
    for name in NAMES:
        native(name)
    for name in CROPS:
        cropped(name)
    image = resize(data.coffee() / 255.0, (1_000, 1_500))
    gone, blocks = damage(image.shape, [(470, 720)], 60)
    X, y = grid_samples(np.where(gone[:, :, None], np.nan, image), channels=True)
    row("large coffee KroneckerRidgeCV", image, gone, blocks, partial(fitted, search(), X, y))


if __name__ == "__main__":
    main()
