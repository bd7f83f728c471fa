"""Decode a choice from the activity of many neurons, and say honestly how well that works and what it shows.

``python decode_choice.py`` simulates a session; ``python decode_choice.py session.npz`` reads a recorded one (its
choices, or else whether the trial was rewarded). A second argument names a folder for pictures (needs matplotlib).
"""

import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

import glminfer as gi

# 1. Trials, neurons, and the outcome ----------------------------------------------------------------------------------

if len(sys.argv) > 1:
    session = gi.datasets.load_steinmetz(sys.argv[1])
    trials, neurons = session.trials, session.spikes
    outcome = "choice" if "choice" in trials else "feedback == 1"
else:
    trials = gi.datasets.simulate_session(n_trials=220, n_neurons=240, n_mice=1, seed=3)
    neurons = trials[[name for name in trials if name.startswith("n") and name[1:].isdigit()]]
    outcome = "choice"
print(f"{len(trials)} trials, {neurons.shape[1]} neurons; the outcome is {outcome!r}\n")

rng = np.random.default_rng(0)
is_test = rng.permutation(len(trials)) % 4 == 0  # a quarter of the trials is put aside
train, test = trials[~is_test], trials[is_test]


# 2. Without a penalty -------------------------------------------------------------------------------------------------

print("Without a penalty")
everything = pd.concat([trials, neurons], axis=1).loc[:, lambda f: ~f.columns.duplicated()][~is_test]
try:
    gi.logit(f"{outcome} ~ {' + '.join(neurons)}", everything)
except gi.DataError as refused:  # more columns than rows: any outcome can be fitted perfectly, so nothing is learned
    print(f"  all neurons: {refused}")
some = list(neurons.columns[: 3 * len(train) // 4])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    fit = gi.logit(f"{outcome} ~ {' + '.join(some)}", everything)
print(f"  {len(some)} neurons: {fit.status}.", *(str(w.message)[:180] + " …" for w in caught), end="\n\n")


# 3. With a penalty, its strength chosen by cross-validation -----------------------------------------------------------

Cs = np.logspace(-4, 4, 9)  # scikit-learn's C = 1/(n λ): the smaller, the stronger the penalty
kinds = {"L2 (ridge)": 0.0, "elastic net": 0.5, "L1 (lasso)": 1.0}
observed = (trials.eval(outcome) if "==" in outcome else trials[outcome]).to_numpy()


def accuracy(cv: gi.CrossValidation, rows: np.ndarray) -> float:
    """Share of right answers of the fit at the chosen penalty."""
    answers = cv.predict(trials[rows], covariates=neurons[rows], type="class")
    return float(np.mean(answers.to_numpy() == observed[rows]))


validated = {}
for name, l1_ratio in kinds.items():
    path = gi.logit_path(f"{outcome} ~ 1", train, covariates=neurons[~is_test], l1_ratio=l1_ratio, Cs=Cs)
    validated[name] = gi.cross_validate(path, folds=8, seed=0)  # the same folds for all three

print("Penalised fits of the training trials, C chosen by 8-fold cross-validation of the deviance")
rows = [
    (name, cv.C_min, cv.glance().n_nonzero_min[0], accuracy(cv, ~is_test), accuracy(cv, is_test))
    for name, cv in validated.items()
]
columns = ["penalty", "C", "nonzero", "training", "test"]
print(pd.DataFrame(rows, columns=columns).round(3).to_string(index=False))
majority = pd.Series(observed[is_test]).value_counts(normalize=True).iloc[0]
print(f"Always giving the more common answer: {majority:.3f} of the {is_test.sum()} test trials")
print("On the training trials the fits are judged by what they have seen: that says nothing about new trials.\n")


# 4. Weights side by side ----------------------------------------------------------------------------------------------

weights = pd.DataFrame({name: cv.coef_at() for name, cv in validated.items()}).drop("Intercept")
per_sd = weights.mul(neurons[~is_test].std(ddof=0), axis=0)  # neurons fire at very different rates
order = per_sd["L1 (lasso)"].abs().sort_values(ascending=False, kind="stable").index
print("Weights per standard deviation of the count, the largest of the lasso first")
print(per_sd.loc[order[:8]].round(3).to_string())
print(f"Correlation of the weights of ridge and lasso: {per_sd.corr().iloc[0, 2]:.2f}\n")


# 5. How well can a new trial be decoded? ------------------------------------------------------------------------------

# One split is one draw: here every trial is predicted once by a fit that has not seen it, its penalty included.
path = gi.logit_path(f"{outcome} ~ 1", trials, covariates=neurons, n_lambdas=20, lambda_min_ratio=0.05)
nested = gi.nested_cross_validate(path, outer=6, inner=5, measure="accuracy", seed=0)
print(nested, end="\n\n")
print(nested.tidy()[["fold", "n_test", "C", "n_nonzero", "estimate", "null"]].round(3).to_string(index=False))

# Is that more than chance? The whole procedure again, with the outcomes on other trials: any, where trials are alike.
# Recorded outcomes and neurons drift, each for itself, so there the outcomes are shifted along the session.
exchange = {"scheme": "linear_shift", "max_shift": 19} if len(sys.argv) > 1 else {"scheme": "free"}
quick = gi.logit_path(f"{outcome} ~ 1", trials, covariates=neurons, n_lambdas=6, lambda_min_ratio=0.1)
decoding = gi.decoding_test(quick, folds=5, measure="auc", n=39, seed=0, **exchange)
print(f"\n{decoding}\n")


# 6. Which neurons? ----------------------------------------------------------------------------------------------------

# A weight that is not zero is no evidence: the penalty selects, and correlated neurons stand for each other.
# Which neurons would be selected again on other trials, at most one of them by chance?
stable = gi.stability(path, pfer=1, n_pairs=25, seed=0)
print(f"{stable}\n")

# Select on one half, test on the other, many times; at most 5 % chance of any false p-value below 0.05.
tested = gi.split_test(f"{outcome} ~ 1", trials, covariates=neurons, n_splits=20, seed=0)
print(tested.sort_values("p_value", kind="stable").head(6).to_string(index=False), end="\n\n")

# How large is the effect of a neuron given all others? Of neurons named in advance: here ten of the first hundred.
named = list(neurons.columns[:100:10])
sizes = path.debias(named, seed=0)
print(sizes[["term", "estimate", "conf_low", "conf_high", "p_adjusted"]].round(4).to_string(index=False))


# 7. Pictures ----------------------------------------------------------------------------------------------------------


def draw(folder: Path) -> None:
    """The cross-validation of a full path, the weights, and the decoding score beside its permutations."""
    folder.mkdir(parents=True, exist_ok=True)
    lasso = gi.logit_path(f"{outcome} ~ 1", train, covariates=neurons[~is_test])
    pictures = {
        "cross_validation": gi.cross_validate(lasso, seed=0).plot(),
        "weights": gi.plot_weights({name: cv.coef_at() for name, cv in validated.items()})[0],
        "decoding": decoding.plot(),
    }
    for name, axes in pictures.items():
        axes.figure.savefig(folder / f"{name}.png", dpi=110)
        print(f"Drawn: {folder / name}.png")


if len(sys.argv) > 2 and find_spec("matplotlib"):
    draw(Path(sys.argv[2]))
