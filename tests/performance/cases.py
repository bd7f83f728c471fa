"""What is timed beside what: our call, the peers' calls for the same question, and the least that the question costs.

The *floor* of a fit is three weighted products XᵀWX of its columns, in blocks of rows, and one read of the columns; of
files, it is reading them three times. Everything runs on one thread but what says otherwise.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import larger
import many
import numpy as np
import pandas as pd
import paths
from peers import PYTHON, Answer, Spent, Timed, installed, run_r, tidy
from scenarios import Scenario, factor, mixed, numeric, repeated

import glminfer as gi

Outside = Callable[[int], tuple[list[Spent], Answer]]  # timed by itself, so many times


@dataclass(frozen=True)
class Case:
    """One question.

    Attributes
    ----------
    name : str
    ours : callable
        Run with one thread and with all.
    peers : dict
        Label -> (module it needs, function that prepares the run for free).
    floor : callable or None
        The least the answer costs.
    rounds, burst : int
        How many rounds, and how many runs in a row make one.
    outside : dict
        Label -> peers that time themselves.
    times : dict
        Label -> how many times the work of the peer's run makes the work of ours.
    """

    name: str
    ours: Timed
    peers: dict[str, tuple[str, Callable[[], Timed]]]
    floor: Callable[[], object] | None
    rounds: int = 3
    burst: int = 1
    outside: dict[str, Outside] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)


R_NAME = "R glm + summary, formula"


def of_frame(scenario: Scenario, *labels: str, r: bool = False) -> Case:
    """A formula and a frame to the table of coefficients, beside some peers, all of them by default."""
    chosen = {label: PYTHON[label] for label in labels or PYTHON}
    peers = {label: (module, partial(make, scenario)) for label, (module, make) in chosen.items()}
    outside: dict[str, Outside] = {R_NAME: lambda count: run_r(scenario, count)[:2]} if r else {}
    name = f"{scenario.name}, {scenario.n_coefficients:,} coefficients"
    return Case(name, tidy(scenario), peers, floor_of(scenario), scenario.rounds, scenario.burst, outside)


def floor_of(scenario: Scenario) -> Callable[[], object]:
    """Three weighted products of the columns in blocks, and one read of them; factors by tabmat where it is there."""
    columns = [scenario.frame[name].to_numpy() for name in scenario.frame if scenario.frame[name].dtype.kind in "biuf"]
    weights = np.random.default_rng(0).random(len(scenario.frame))
    if "g" in scenario.frame and scenario.frame.g.nunique() > 100:
        import tabmat

        X = tabmat.from_pandas(scenario.frame.drop(columns="y"))
        return lambda: ([column.sum() for column in columns], [X.sandwich(weights) for _ in range(3)])
    X = many_columns(scenario)
    return lambda: ([column.sum() for column in columns], [products(X, weights) for _ in range(3)])


def many_columns(scenario: Scenario) -> np.ndarray:
    """The design as an array."""
    X = pd.get_dummies(scenario.frame.drop(columns="y"), drop_first=True, dtype=float)
    return np.column_stack([np.ones(len(X)), X])


def products(X: np.ndarray, weights: np.ndarray, rows: int = 4000) -> np.ndarray:
    """XᵀWX in blocks of rows that stay in the cache."""
    total = np.zeros((X.shape[1], X.shape[1]))
    for start in range(0, len(X), rows):
        root = X[start : start + rows] * np.sqrt(weights[start : start + rows, None])
        total += root.T @ root
    return total


# many models ----------------------------------------------------------------------------------------------------------


def batch(models: int, rounds: int = 5) -> Case:
    """One design, many outcomes."""
    frame, Y, Z = many.data(models)
    X = np.column_stack([np.ones(many.N), frame[[f"x{j}" for j in range(many.P - 1)]]])

    def ours() -> Answer:
        table, _ = many.outcomes(frame, Y, Z)
        few = slice(0, many.LOOPED * many.P)
        return table.estimate.to_numpy()[few], table.std_error.to_numpy()[few]

    def loop() -> Timed:
        run = many.statsmodels_loop(X, Y, None)
        return lambda: tuple(np.concatenate(parts) for parts in list(zip(*run(), strict=True))[:2])

    def without_errors() -> Timed:
        run = many.sklearn_loop(X, Y, None)
        return lambda: (run() and np.empty(0), None)

    return Case(
        f"{models:,} outcomes × 300 rows × 8 coefficients",
        ours,
        {"statsmodels Logit, loop": ("statsmodels", loop), "scikit-learn, loop, no SE": ("sklearn", without_errors)},
        floor=lambda: products_of_many(X, models),
        rounds=rounds,
        outside={"R glm.fit, loop": lambda _: ([r_loop(X, Y, Z)], (np.empty(0), None))},
        times=dict.fromkeys(
            ["statsmodels Logit, loop", "scikit-learn, loop, no SE", "R glm.fit, loop"], max(models // many.LOOPED, 1)
        ),
    )


def r_loop(X: np.ndarray, Y: np.ndarray, Z: np.ndarray) -> Spent:
    """Seconds for as many models as the other loops fit."""
    clock, cpu = (1e-6 * each * many.LOOPED for each in many.r_loop(X, Y, Z, "many"))
    return clock, cpu


def products_of_many(X: np.ndarray, models: int) -> None:
    """The information matrices of all models, three times: weights times the products of pairs of columns."""
    first, second = np.triu_indices(X.shape[1])
    weights = np.full((models, len(X)), 0.25)
    for _ in range(3):
        weights @ (X[:, first] * X[:, second])


def path(n: int, p: int, labels: tuple[str, ...], rounds: int = 3) -> Case:
    """A lasso path of 100 penalties, the peers at the same ones."""
    X, y = paths.data(n, p, 0.0)
    frame = pd.DataFrame({"y": y.astype(int)})
    problem = (X, y, gi.logit_path("y ~ 1", frame, covariates=X).lambdas)

    def ours() -> Answer:
        found = gi.logit_path("y ~ 1", frame, covariates=X).solution
        return found.coef.ravel(), None

    def peer(solve: Callable[[paths.Problem], paths.Path3]) -> Timed:
        def run() -> Answer:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of iteration limits: the difference tells
                return solve(problem)[2].ravel(), None

        run()  # skglm compiles
        return run

    def glmnet(_: int) -> tuple[list[Spent], Answer]:
        (seconds, _, coef), _, _ = paths.glmnet(problem, 1e-7)
        return [(seconds, seconds)], (coef.ravel(), None)

    chosen = {label: paths.PEERS[label] for label in labels}
    peers = {f"{label}, default": (module, partial(peer, solve)) for label, (module, solve) in chosen.items()}
    name = f"lasso path, {n:,} × {p:,}, 100 penalties"
    return Case(name, ours, peers, None, rounds, outside={"R glmnet, default (processor)": glmnet})


# rows elsewhere -------------------------------------------------------------------------------------------------------


@contextmanager
def files(n: int, p: int = 12) -> Iterator[Case]:
    """A Parquet data set, which is removed in the end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        larger.make(folder, n, p)
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6

        def answer(data: object) -> Answer:
            table = gi.logit(larger.formula(p), data).tidy()
            return table.estimate.to_numpy(), table.std_error.to_numpy()

        def in_memory() -> Timed:
            return lambda: answer(pd.read_parquet(folder))

        def glum() -> Timed:
            def run() -> Answer:
                frame = pd.read_parquet(folder)
                frame["y"] = frame.y.astype(int)
                return PYTHON["glum, formula"][1](Scenario("", frame, larger.formula(p), 1))()

            return run

        yield Case(
            f"Parquet, {n:,} rows × {p} numbers, {size:,.0f} MB",
            lambda: answer(gi.parquet(folder)),
            {"pandas.read_parquet, glminfer": ("pyarrow", in_memory), "pandas.read_parquet, glum": ("glum", glum)},
            floor=lambda: [larger.reading(folder) for _ in range(3)],
        )


@contextmanager
def partitions(scenario: Scenario, count: int = 8) -> Iterator[Case]:
    """The same rows as a Dask data frame in partitions, on the scheduler of threads; and on two processes, kept there.

    The processor time is that of this process.
    """
    import dask
    import dask.dataframe as dd
    import distributed

    from glminfer.numerics.threads import n_threads

    frame = dd.from_pandas(scenario.frame, npartitions=count)
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50)
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        there = client.persist(frame)
        with client.as_current():
            distributed.wait(there)

        def ours() -> Answer:
            with dask.config.set(scheduler="threads", num_workers=n_threads()):
                return tidy(Scenario("", frame, scenario.formula, 1))()

        def on_processes() -> Answer:
            with client.as_current():
                return tidy(Scenario("", there, scenario.formula, 1))()

        peers = {
            "glminfer, two processes": ("distributed", lambda: on_processes),
            "glminfer, the same rows in memory": ("glminfer", lambda: tidy(scenario)),
            "dask-ml newton, no SE": ("dask_ml", lambda: _dask_ml(frame)),
        }
        yield Case(f"Dask, {scenario.name} in {count} partitions", ours, peers, floor_of(scenario), scenario.rounds)


def _dask_ml(frame: Any) -> Timed:
    import dask
    from dask_ml.linear_model import LogisticRegression

    def run() -> Answer:
        with dask.config.set(scheduler="threads"):
            X, y = (part.to_dask_array(lengths=True) for part in (frame.drop(columns="y"), frame["y"]))
            fit = LogisticRegression(solver="newton", C=1e12, tol=1e-8).fit(X, y)
        return np.r_[fit.intercept_, fit.coef_], None

    return run


# all of them ----------------------------------------------------------------------------------------------------------


def opened(stack: ExitStack, name: str, quick: bool) -> Case:
    """The case of a name, at full size or at one that takes a moment; what it needs is removed with the stack."""
    size = (lambda full, small: small) if quick else (lambda full, small: full)
    makers: dict[str, Callable[[], object]] = {
        "small": lambda: of_frame(mixed(rounds=size(10, 3)), r=True),
        "dense": lambda: of_frame(numeric(size(1_000_000, 50_000), 20), r=True),
        "wide": lambda: of_frame(numeric(size(100_000, 5_000), size(200, 100)), r=True),
        "factor": lambda: of_frame(factor(size(1_000_000, 50_000), size(1000, 200)), "glum, formula"),
        "compressed": lambda: of_frame(repeated(size(1_000_000, 50_000)), "statsmodels GLM, formula"),
        "batch": lambda: batch(size(2000, 400)),
        "path": lambda: path(size(1000, 200), size(200, 50), size(("glum", "skglm"), ("glum",))),
        "parquet": lambda: files(size(4_000_000, 100_000)),
        "dask": lambda: partitions(numeric(size(1_000_000, 50_000), 20)),
    }
    found = makers[name]()
    return found if isinstance(found, Case) else stack.enter_context(found)


NAMES = ("small", "dense", "wide", "factor", "compressed", "batch", "path", "parquet", "dask")
NEEDS = {"parquet": "pyarrow", "dask": "distributed", "factor": "tabmat"}


def missing(name: str) -> str | None:
    """The module a case cannot do without, if it is not installed."""
    module = NEEDS.get(name)
    return module if module and not installed(module) else None
