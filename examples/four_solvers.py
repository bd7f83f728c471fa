"""Newton, BFGS, L-BFGS and gradient descent climb the same likelihood: how fast does each one get there?

The data are Fair's survey of 1974, shipped with statsmodels: did 6,366 married women have an affair? Age and years of
marriage are strongly correlated, which gradient descent feels and Newton's method does not.
``python four_solvers.py FOLDER`` also draws the way up (this needs matplotlib).
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import pandas as pd
import statsmodels.api as sm

import glminfer as gi

women = sm.datasets.fair.load_pandas().data
formula = "affairs > 0 ~ rate_marriage + age + yrs_married + children + religious + educ + C(occupation)"

runs = {
    "Newton (IRLS)": {"solver": "newton"},
    "BFGS": {"solver": "bfgs"},
    "L-BFGS": {"solver": "lbfgs"},
    "gradient, backtracking": {"solver": "gradient"},
    "gradient, fixed step 2": {"solver": "gradient", "control": gi.Control(step_size=2.0)},
}
gi.logit(formula, women)  # the first fit of a session also loads and compiles: leave it out of the timing
fits, seconds = {}, {}
for name, options in runs.items():
    start = perf_counter()
    fits[name] = gi.logit(formula, women, **options)
    seconds[name] = perf_counter() - start

newton = fits["Newton (IRLS)"]
print(newton, end="\n\n")

table = pd.DataFrame(
    {
        "iterations": {name: fit.n_iter for name, fit in fits.items()},
        "seconds": {name: f"{value:.3f}" for name, value in seconds.items()},
        "loglik": {name: f"{fit.loglik:.9f}" for name, fit in fits.items()},
        "status": {name: str(fit.status) for name, fit in fits.items()},
        "largest difference": {name: f"{(fit.coef - newton.coef).abs().max():.0e}" for name, fit in fits.items()},
    }
)
print("Five ways up the same hill (last column: of a coefficient, from Newton's)")
print(table.to_string(), end="\n\n")

# fit.trace keeps every step. Newton doubles the number of correct digits from one step to the next.
print("Newton's steps: distance of the log-likelihood from its maximum")
steps = newton.trace
for step, distance in zip(steps.step, newton.loglik - steps.loglik, strict=True):
    print(f"  step {step}: {max(distance, 0):.1e}")


def draw(path: Path) -> None:
    """Distance of the log-likelihood from its maximum after each step, both on logarithmic scales."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for name, fit in fits.items():
        distance = (newton.loglik - fit.trace.loglik).iloc[1:]
        seen = distance.clip(lower=1e-11)[distance.shift(fill_value=1.0) > 1e-11]  # below is rounding
        axes.plot(fit.trace.step[seen.index], seen, marker="o" if len(seen) < 100 else "", ms=4, lw=1.5, label=name)
    axes.set(
        xscale="log", yscale="log", xlabel="step", ylabel="log-likelihood below its maximum", ylim=(1e-11, 1e4),
        title=f"{newton.nobs:,} rows, {newton.rank} coefficients: five ways to the same maximum",
    )  # fmt: skip
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper right", frameon=False, fontsize=9, labelspacing=0.3, borderaxespad=0)
    figure.savefig(path, dpi=110)
    print(f"\nDrawn: {path}")


if len(sys.argv) > 1 and find_spec("matplotlib"):
    draw(Path(sys.argv[1], "four_solvers.png"))
