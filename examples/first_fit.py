"""A first fit, on real data: did a new way of teaching economics improve the students' grades?

The data of Spector & Mazzeo (1980) are shipped with statsmodels: 32 students, whether the GRADE improved (1) or not
(0), their previous grades (GPA), a test taken before the course (TUCE), and whether they were taught the new way (PSI).
"""

import statsmodels.api as sm

import glminfer as gi

students = sm.datasets.spector.load_pandas().data
print(students.head().to_string(), end="\n\n")

# One line from the table to the fit, and a summary of it.
fit = gi.logit("GRADE ~ GPA + TUCE + PSI", students)
print(fit, end="\n\n")

# The same numbers as a DataFrame. A coefficient is a change in the log-odds of the event; exponentiated it is an odds
# ratio: how many times larger the odds of a better grade are for one more point, other things being equal.
odds = fit.tidy(exponentiate=True).set_index("term").rename_axis(None).drop("Intercept")
print("Odds ratios with 95% intervals")
print(odds[["estimate", "conf_low", "conf_high", "p_value"]].round(3).to_string(), end="\n\n")

psi = odds.loc["PSI"]
print(
    f"Taught the new way, a student's odds of a better grade are {psi.estimate:.1f} times as large "
    f"(95% interval {psi.conf_low:.1f} to {psi.conf_high:.0f}, p = {psi.p_value:.3f}).",
    end="\n\n",
)

# What that means for one student with the average record, as probabilities.
average = {"GPA": students.GPA.mean(), "TUCE": students.TUCE.mean(), "PSI": [0, 1]}
expected = fit.predict(average, interval="confidence")
expected.index = ["taught the old way", "taught the new way"]
print("Probability that the average student improves")
print(expected.round(3).to_string(), end="\n\n")

# Should you believe these numbers? Refit the same model with statsmodels and compare.
print("The same model in statsmodels")
print(fit.crosscheck()[["term", "estimate", "statsmodels", "relative_difference"]].to_string(index=False))
