"""What to ask a fit: three tidy tables, predictions with intervals, classes, and residuals that should look normal.

The trials come from the simulator; some reaction times and contrasts were lost on the way to disk.
"""

import numpy as np
import pandas as pd

import glminfer as gi

trials = gi.datasets.simulate_session(n_trials=900, n_neurons=0, seed=7)
lost = np.random.default_rng(0).random((900, 2)) < [0.04, 0.02]
trials["reaction_time"] = trials.reaction_time.mask(lost[:, 0])
trials["contrast_left"] = trials.contrast_left.mask(lost[:, 1])


def show(title: str, table: pd.DataFrame) -> None:
    print(f"{title}\n{table.to_string(float_format='{:.4g}'.format)}\n")


fit = gi.logit("choice ~ contrast_left + poly(contrast_right, 2) + log(reaction_time) + C(mouse)", trials)
print("Rows with missing values are left out, and counted:", *fit.notes, sep="\n  ", end="\n\n")

# One row per coefficient, one row per fit, one row per trial: DataFrames whose columns never change.
show("fit.tidy()", fit.tidy().drop(columns=["df", "log10_p"]))
show("fit.glance(), turned on its side", fit.glance().T)
columns = ["choice", "contrast_left", "contrast_right", ".prob", ".se_fit", ".resid", ".hat", ".cooksd"]
first = int(np.flatnonzero(lost.any(axis=1))[0])
show("fit.augment(): rows that were not used keep their place", fit.augment()[columns].loc[first - 2 : first + 2])

# Predictions for any grid of values. Intervals stay between 0 and 1; poly() keeps the basis it was fitted with.
grid = pd.DataFrame({"contrast_right": [0.0, 0.25, 0.5, 1.0], "contrast_left": 0.25, "reaction_time": 0.4})
grid["mouse"] = "Bea"
show('Predicted probability of "right"', grid.join(fit.predict(grid, interval="confidence")))

# A row that lacks a value gets NaN, not an error; a level the fit never saw is an error that names it, unless you ask.
strange = grid.assign(contrast_left=[0.0, np.nan, 0.5, 1.0], mouse=["Ada", "Bea", "Zoe", "Cleo"])
strange["prob"] = fit.predict(strange, unseen="nan")
strange["label"] = fit.predict(strange, type="class", unseen="nan")
strange["label_if_sure"] = fit.predict(strange, type="class", unseen="nan", threshold=0.8)
show("Missing values, an unknown mouse, and labels at two thresholds", strange)
try:
    fit.predict(strange)
except gi.DataError as error:
    print(f"Without unseen='nan': {error}\n")

# Of which term is the prediction made? On the link scale the terms and the constant add up to the linear predictor.
show("Contributions of the terms (log-odds)", fit.predict(grid, type="terms"))

# How good is it? And do the quantile residuals look like draws from a standard normal, as they should?
show("fit.score()", fit.score())
residuals = fit.residuals("quantile", seed=1)
quantiles = residuals.quantile([0.025, 0.25, 0.5, 0.75, 0.975])
show("Quantile residuals", pd.DataFrame({"found": quantiles, "normal": [-1.960, -0.674, 0.0, 0.674, 1.960]}))
