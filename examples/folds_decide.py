"""The folds decide which encoding wins: scikit-learn's KFold against CoordinateKFold.

KFold without shuffling holds out bands of rows of an image, so that each fold asks a model
to extrapolate across a quarter of the picture. Sub-grids ask what fitting an image is about:
to fill in between its samples. The truth is the PSNR on pixels that no search has seen.

    python examples/folds_decide.py
"""

import numpy as np
from rich.console import Console
from rich.table import Table
from skimage.transform import resize
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline

from sk_posenc import (
    CoordinateKFold,
    RandomFourierEncoder,
    grid_samples,
    load_signal,
    psnr_score,
    psnr_scorer,
)

STABLE_RANKS = [2, 4, 6, 8, 12, 16, 20, 24]
FOLDS = {
    "KFold(4)": KFold(4),
    "KFold(4, shuffle=True)": KFold(4, shuffle=True, random_state=0),
    'CoordinateKFold(4, scheme="random")': CoordinateKFold(4, scheme="random", random_state=0),
    'CoordinateKFold(4, scheme="subgrid")': CoordinateKFold(4),
    'CoordinateKFold(4, scheme="block")': CoordinateKFold(4, scheme="block"),
}


def main() -> None:
    table = Table(title="PSNR in dB of the stable rank that each choice of folds picks")
    table.add_column("folds")
    images = ["camera", "astronaut", "grass"]
    for name in images:
        table.add_column(f"{name}\npicks", justify="right")
        table.add_column("\nunseen", justify="right")
    lines: dict[str, list[str]] = {fold: [] for fold in FOLDS}
    best_line: list[str] = []
    for name in images:
        values, _ = load_signal(name)
        if values.ndim == 3:
            values = values.mean(axis=2)
        X, y = grid_samples(resize(values, (128, 128), anti_aliasing=True))
        train = np.all(np.indices((128, 128)) % 2 == 0, axis=0).ravel()
        pipeline = Pipeline(
            [("encoder", RandomFourierEncoder(400, random_state=0)), ("ridge", Ridge(1e-3))]
        )
        grid = {"encoder__stable_rank": STABLE_RANKS}
        truth = {}
        for rank in STABLE_RANKS:
            model = pipeline.set_params(encoder__stable_rank=rank).fit(X[train], y[train])
            truth[rank] = psnr_score(y[~train], model.predict(X[~train]))
        for fold, cv in FOLDS.items():
            search = GridSearchCV(pipeline, grid, scoring=psnr_scorer, cv=cv, refit=False)
            search.fit(X[train], y[train])
            rank = STABLE_RANKS[int(np.argmax(search.cv_results_["mean_test_score"]))]
            lines[fold] += [str(rank), f"{truth[rank]:.2f}"]
        best = max(truth, key=truth.__getitem__)
        best_line += [str(best), f"{truth[best]:.2f}"]
    for fold, cells in lines.items():
        table.add_row(fold, *cells)
    table.add_row("the truth", *best_line)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
