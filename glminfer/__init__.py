"""Statistical inference with logistic GLMs: from a DataFrame and a formula to claims one can trust."""

from glminfer import datasets
from glminfer.errors import (
    ConvergenceWarning,
    DataError,
    FormulaError,
    InputError,
    ResponseError,
    RowsNeededError,
    SeparationWarning,
    Status,
)
from glminfer.inference.covariance import vcov
from glminfer.inference.diagnostics import residuals
from glminfer.inference.intervals import confint
from glminfer.inference.prediction import predict, score
from glminfer.models import Fit, glm, logit
from glminfer.numerics.newton import Control
from glminfer.numerics.penalties import Firth
from glminfer.report.crosscheck import crosscheck
from glminfer.report.summary import summary
from glminfer.report.tables import augment, glance, tidy

__version__ = "0.1.0"

__all__ = [
    "Control",
    "ConvergenceWarning",
    "DataError",
    "Firth",
    "Fit",
    "FormulaError",
    "InputError",
    "ResponseError",
    "RowsNeededError",
    "SeparationWarning",
    "Status",
    "augment",
    "confint",
    "crosscheck",
    "datasets",
    "glance",
    "glm",
    "logit",
    "predict",
    "residuals",
    "score",
    "summary",
    "tidy",
    "vcov",
]
