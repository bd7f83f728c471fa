"""Choices of three mice in a visual task: fit them, and compare with the truth behind the simulation.

On every trial a grating appears on the left and on the right, and the mouse turns a wheel towards the one with the
higher contrast. ``python choice_session.py FOLDER`` also draws the psychometric curves (this needs matplotlib).
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

import glminfer as gi

trials = gi.datasets.simulate_session(n_trials=2400, n_sessions=2, seed=1)
print(f"{len(trials):,} trials of {trials.mouse.nunique()} mice")
print(trials.iloc[:4, :8].to_string(index=False), end="\n\n")

fit = gi.logit("choice ~ contrast_left * contrast_right + C(mouse)", trials)
print(fit, end="\n\n")

# The data are simulated, so we know the true coefficients. Do the intervals hold them?
table = fit.tidy().set_index("term").rename_axis(None)
table.insert(0, "truth", gi.datasets.true_coefficients())
table["covered"] = table.truth.between(table.conf_low, table.conf_high)
print("Estimates beside the truth")
print(table[["truth", "estimate", "conf_low", "conf_high", "covered"]].round(3).to_string(), end="\n\n")

# Back to probabilities: what will Ada do when the right grating is stronger and stronger?
contrasts = [0.0, 0.25, 0.5, 1.0]
new = pd.DataFrame({"mouse": "Ada", "contrast_left": 0.25, "contrast_right": contrasts})
new[["prob", "low", "high"]] = fit.predict(new, interval="confidence")[["estimate", "conf_low", "conf_high"]]
print("Probability of turning right, with 95% intervals")
for row in new.itertuples():
    low, middle, high = (round(50 * value) for value in (row.low, row.prob, row.high))
    scale = "." * low + "-" * (middle - low) + "o" + "-" * (high - middle) + "." * (50 - high)
    print(f"left 25%, right {row.contrast_right:4.0%}   {row.prob:.2f} [{row.low:.2f}, {row.high:.2f}]  {scale}")

check = fit.crosscheck()
worst = check[["relative_difference", "std_error_difference"]].to_numpy().max()
print(f"\nThe same model in statsmodels: every estimate and standard error within {worst:.0e} (relative).")


def draw(path: Path) -> None:
    """Probability of "right" against the right contrast, one panel per mouse: model (lines) and data (dots)."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(10.5, 3.4), sharey=True, layout="constrained")
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.85, len(contrasts)))
    for panel, (mouse, seen) in zip(panels, trials.groupby("mouse"), strict=True):
        for colour, left in zip(colours, contrasts, strict=True):
            grid = pd.DataFrame({"mouse": mouse, "contrast_left": left, "contrast_right": np.linspace(0, 1, 101)})
            curve = fit.predict(grid, interval="confidence")
            panel.plot(grid.contrast_right, curve.estimate, color=colour, label=f"{left:.0%}")
            panel.fill_between(grid.contrast_right, curve.conf_low, curve.conf_high, color=colour, alpha=0.15, lw=0)
            right = (seen[seen.contrast_left == left].choice == "right").groupby(seen.contrast_right)
            panel.scatter(right.mean().index, right.mean(), s=right.size() / 3, color=colour)
        panel.set(title=mouse, xlabel="contrast on the right", xticks=contrasts, ylim=(0, 1))
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("probability of turning right")
    lines = panels[0].get_legend_handles_labels()
    figure.legend(*lines, loc="outside right center", frameon=False, title="contrast\non the left")
    figure.suptitle("Lines: model with 95% band. Dots: data, area by number of trials.", fontsize=9)
    figure.savefig(path, dpi=120)
    print(f"Drawn: {path}")


if len(sys.argv) > 1 and find_spec("matplotlib"):
    draw(Path(sys.argv[1], "choice_session.png"))
