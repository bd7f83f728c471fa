"""Statistical inference with logistic GLMs: from a DataFrame and a formula to claims one can trust."""

from glminfer import datasets
from glminfer.data.rows_parquet import parquet
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
from glminfer.inference.deviance import anova
from glminfer.inference.diagnostics import residuals
from glminfer.inference.hypotheses import lincom, wald_test
from glminfer.inference.intervals import confint
from glminfer.inference.lag_effects import lag_effects
from glminfer.inference.likelihood import lr_test
from glminfer.inference.limits import profile
from glminfer.inference.multiplicity import adjust, simultaneous
from glminfer.inference.nonlinear import delta
from glminfer.inference.permutation import permutation_test
from glminfer.inference.prediction import predict, score
from glminfer.inference.score_tests import score_test
from glminfer.inference.steps import add1, drop1
from glminfer.inference.wild import wild_bootstrap_test
from glminfer.models import Fit, glm, logit
from glminfer.models_many import Fits, logit_each, logit_many
from glminfer.models_path import Path, logit_path
from glminfer.models_selection import Stability, split_test, stability
from glminfer.models_validation import (
    CrossValidation,
    DecodingTest,
    NestedCrossValidation,
    cross_validate,
    decoding_test,
    nested_cross_validate,
)
from glminfer.numerics.newton import Control
from glminfer.numerics.penalties import ElasticNet, Firth, Ridge
from glminfer.numerics.threads import set_threads
from glminfer.report.crosscheck import crosscheck
from glminfer.report.plots import plot_coefficients, plot_profile
from glminfer.report.plots_many import plot_by_area, plot_p_values, plot_volcano
from glminfer.report.plots_null import plot_permutation
from glminfer.report.plots_path import plot_path, plot_weights
from glminfer.report.plots_validation import plot_cross_validation, plot_decoding
from glminfer.report.summary import summary
from glminfer.report.tables import augment, glance, tidy

__version__ = "0.1.0"

__all__ = [
    "Control",
    "ConvergenceWarning",
    "CrossValidation",
    "DataError",
    "DecodingTest",
    "ElasticNet",
    "Firth",
    "Fit",
    "Fits",
    "FormulaError",
    "InputError",
    "NestedCrossValidation",
    "Path",
    "ResponseError",
    "Ridge",
    "RowsNeededError",
    "SeparationWarning",
    "Stability",
    "Status",
    "add1",
    "adjust",
    "anova",
    "augment",
    "confint",
    "cross_validate",
    "crosscheck",
    "datasets",
    "decoding_test",
    "delta",
    "drop1",
    "glance",
    "glm",
    "lag_effects",
    "lincom",
    "logit",
    "logit_each",
    "logit_many",
    "logit_path",
    "lr_test",
    "nested_cross_validate",
    "parquet",
    "permutation_test",
    "plot_by_area",
    "plot_coefficients",
    "plot_cross_validation",
    "plot_decoding",
    "plot_p_values",
    "plot_path",
    "plot_permutation",
    "plot_profile",
    "plot_volcano",
    "plot_weights",
    "predict",
    "profile",
    "residuals",
    "score",
    "score_test",
    "set_threads",
    "simultaneous",
    "split_test",
    "stability",
    "summary",
    "tidy",
    "vcov",
    "wald_test",
    "wild_bootstrap_test",
]
