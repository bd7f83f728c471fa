"""Data to learn and to test with: a seeded simulator of a two-choice visual task."""

from glminfer.datasets.simulator import simulate_session, simulated_neurons, true_coefficients

__all__ = ["simulate_session", "simulated_neurons", "true_coefficients"]
