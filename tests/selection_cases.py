"""Data and frozen R numbers of the tests of inference after selection (reference/selection/generate.R)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parent / "reference" / "selection"
REFERENCE = json.loads((FOLDER / "numbers.json").read_text())


def wide():
    """Columns, outcome, prior weights and the curvature at R's lasso: 50 rows, 70 columns."""
    frame = pd.read_csv(FOLDER / "wide.csv")
    X, y, v = frame.iloc[:, 2:].to_numpy(float), frame["y"].to_numpy(float), frame["v"].to_numpy(float)
    lasso = REFERENCE["debiased"]
    mu = 1 / (1 + np.exp(-(lasso["intercept"] + X @ np.array(lasso["coef"]))))
    return X, y, v, v * mu * (1 - mu)


def sparse(n, p, seed, slopes=(1.0, 1.0, 1.0), rho=0.0):
    """A wide logistic sample: columns with common correlation ρ, of which the first few matter."""
    rng = np.random.default_rng(seed)
    X = np.sqrt(rho) * rng.normal(size=(n, 1)) + np.sqrt(1 - rho) * rng.normal(size=(n, p))
    eta = X[:, : len(slopes)] @ np.array(slopes)
    return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
