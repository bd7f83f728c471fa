"""Data to learn and to test with: a seeded simulator of a two-choice visual task, and real recordings of one."""

from glminfer.datasets.recordings import Session, load_steinmetz
from glminfer.datasets.simulator import simulate_session, simulated_neurons, true_coefficients

__all__ = ["Session", "load_steinmetz", "simulate_session", "simulated_neurons", "true_coefficients"]
