"""Data that cannot answer everything: perfect prediction (separation) and columns that repeat others (aliasing).

Most software prints a huge coefficient with a p-value near 1 here, or a warning and numbers that depend on when the
iteration was stopped. glminfer reports what the data determine, and names what they do not.
"""

import warnings

import numpy as np
import pandas as pd

import glminfer as gi

rng = np.random.default_rng(5)
patients = pd.DataFrame({"age": rng.integers(30, 80, 120), "dose": rng.choice([0.0, 10.0, 20.0], 120)})
patients["ward"] = rng.choice(["north", "south", "west"], 120, p=[0.5, 0.4, 0.1])
patients["ill"] = rng.random(120) < 1 / (1 + np.exp(-(0.05 * (patients.age - 55) - 0.06 * patients.dose)))
patients.loc[patients.ward == "west", "ill"] = True
print("Every patient in the west ward is ill:")
print(pd.crosstab(patients.ward, patients.ill).to_string(), end="\n\n")

# 1. Separation. The likelihood rises for ever with the coefficient of that ward: its maximum is at infinity.
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    fit = gi.logit("ill ~ age + dose + ward", patients)
print(f"{caught[0].category.__name__}: {caught[0].message}\n")
print(fit, end="\n\n")

# The other coefficients are finite and exact: those of the patients whose ward does not settle the matter.
rest = gi.logit("ill ~ age + dose + ward", patients[patients.ward != "west"])
both = pd.DataFrame({"all patients": fit.coef, "without west": rest.coef})
print("Finite coefficients do not depend on the separated rows")
print(both.to_string(), end="\n\n")

# Predictions are at the same limit: certain in the west ward, ordinary elsewhere.
new = pd.DataFrame({"age": 50, "dose": 10.0, "ward": ["north", "south", "west"]})
print(new.assign(prob=fit.predict(new)).to_string(index=False), end="\n\n")

# To put a finite number on that ward, ask for Firth's estimates, whose bias is reduced and which always exist.
firth = gi.logit("ill ~ age + dose + ward", patients, penalty=gi.Firth())
print("With penalty=gi.Firth()")
print(firth.tidy()[["term", "estimate", "std_error", "conf_low", "conf_high"]].round(4).to_string(index=False))
print()

# 2. Aliasing. The dose in another unit says nothing new; the earlier column stays and the later one is named.
patients["dose_mg"] = 1000 * patients.dose
aliased = gi.logit("ill ~ age + dose + dose_mg", patients)
columns = ["term", "estimate", "std_error", "p_value", "status"]
print(aliased.tidy()[columns].round(4).to_string(index=False), end="\n\n")
print(*aliased.notes, sep="\n")
print(f"rank {aliased.rank}, {aliased.df_resid} residual degrees of freedom from {aliased.nobs} rows")
