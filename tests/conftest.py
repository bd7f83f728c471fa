"""Engines as fixtures: rows in many blocks, in files, and in Dask partitions on threads or on two processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from engines import parquet, partitioned
from hypothesis import settings

from glminfer.data import rows as rows_module

settings.register_profile("unhurried", deadline=None)  # a busy machine is no failure of the code
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    """A cluster of two processes, which all tests share; not the default of Dask."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster, set_as_default=False) as found:
        yield found


@pytest.fixture
def hold(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """``hold(frame, cuts, piece)``: the frame as one engine holds it, cut at some rows and read so many at a time."""
    if request.param == "blocks":
        cut = rows_module.strips
        monkeypatch.setattr("glminfer.data.rows.strips", lambda n, p, _=0: cut(n, p, 13))
        yield lambda frame, *_: frame
    elif request.param == "parquet":
        yield parquet
    else:
        dask = pytest.importorskip("dask")
        threads = request.param == "threads"
        with dask.config.set(scheduler="threads" if threads else None):
            if threads:
                yield partitioned
            else:
                with request.getfixturevalue("client").as_current():
                    yield partitioned
