"""Does a mouse repeat its choices, and for how long does a neuron remember its own spikes?"""

import glminfer as gi

trials = gi.datasets.simulate_session(n_trials=1200, n_neurons=8, n_sessions=2, repetition=0.6, seed=1)

# The trial before: a lag never crosses a session border, so the first trial of each session is dropped and counted.
fit = gi.logit("choice ~ contrast_left * contrast_right + C(mouse) + lag(choice, 1, by=session)", trials)
print(fit)
print(fit.lr_test("lag(choice, 1, by=session)"), end="\n\n")

# The past of a neuron in five raised-cosine bumps, tested jointly, then turned back into an effect at each lag.
spikes = "history(n004, 5, by=session)"
fit = gi.logit(f"n004 > 0 ~ contrast_left + contrast_right + raised_cosine(trial, 4) + {spikes}", trials)
print(fit.anova(), end="\n\n")
print(fit.lag_effects(spikes).round(4))
