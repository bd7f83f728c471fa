"""Engines as fixtures: rows in many blocks, in files, and in Dask partitions on threads or on two processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from engines import parquet, partitioned, small_blocks
from hypothesis import settings

settings.register_profile("unhurried", deadline=None)  # a busy machine is no failure of the code
settings.load_profile("unhurried")


QUIET = {  # a cluster that watches itself takes a fifth more of the processor
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "30s",
    "distributed.admin.system-monitor.interval": "30s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.deploy.lost-worker-timeout": "1h",  # else a process killed twice is given up, not started again
}


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    """A cluster of two processes, which all tests share; not the default of Dask."""
    dask, distributed = pytest.importorskip("dask"), pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50}
    with (
        dask.config.set(QUIET),
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster, set_as_default=False) as found,
    ):
        yield found


@pytest.fixture
def hold(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """``hold(frame, cuts, piece)``: the frame as one engine holds it, cut at some rows and read so many at a time.

    Blocks have 13 rows, so that there are several of them in memory, and several places where they lie in Dask; but in
    "parquet".
    """
    engine = request.param
    if engine != "parquet":
        small_blocks(monkeypatch, 13)
    if engine == "blocks":
        monkeypatch.setenv("GLMINFER_THREADS", "1")  # 13 rows are done sooner than handed over
        yield lambda frame, *_: frame
    elif engine == "parquet":
        yield parquet
    elif engine == "threads":
        with pytest.importorskip("dask").config.set(scheduler="threads"):
            yield partitioned
    else:
        with pytest.importorskip("dask").config.set(scheduler=None), request.getfixturevalue("client").as_current():
            yield partitioned
