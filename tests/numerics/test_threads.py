"""BLAS is held to one thread while blocks run in parallel, and given back; numbers do not depend on who computed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from random_rows import LINKS, Numbers, numbers
from threadpoolctl import threadpool_info, threadpool_limits

from glminfer.data.rows import MemoryRows
from glminfer.errors import InputError
from glminfer.numerics import kernels, threads
from glminfer.numerics.blocks import Terms
from glminfer.numerics.families import family
from glminfer.numerics.threads import in_order, one_blas_thread, one_by_one


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_blas_threads():
    with threadpool_limits(limits=2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("this BLAS has no threads to limit")
        yield


def test_limit_is_set_and_restored() -> None:
    with one_blas_thread():
        assert blas_threads() == {1}
    assert blas_threads() == {2}


def test_from_another_thread() -> None:
    """threadpoolctl 3.8 listens to one thread only: here to the main thread, which set the limit of the fixture."""
    seen: list[set[int]] = []

    def hold() -> None:
        with one_blas_thread():
            seen.append(blas_threads())

    worker = threading.Thread(target=hold)
    worker.start()
    worker.join(10)
    assert seen == [{1}]
    assert blas_threads() == {2}


def test_nested_holders() -> None:
    with one_blas_thread():
        with one_blas_thread():
            pass
        assert blas_threads() == {1}
    assert blas_threads() == {2}


def test_restored_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        1 / 0  # noqa: B018
    assert blas_threads() == {2}


def test_two_threads_interleaved() -> None:
    """A enters, B enters, A leaves, B leaves: still one thread while B holds, and two at the end."""
    a_in, b_in, a_out = threading.Event(), threading.Event(), threading.Event()
    seen: dict[str, set[int]] = {}

    def first() -> None:
        with one_blas_thread():
            a_in.set()
            b_in.wait(10)
        a_out.set()

    def second() -> None:
        a_in.wait(10)
        with one_blas_thread():
            b_in.set()
            a_out.wait(10)
            seen["while B holds"] = blas_threads()

    workers = [threading.Thread(target=first), threading.Thread(target=second)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert seen == {"while B holds": {1}}
    assert blas_threads() == {2}


def test_many_threads_at_random() -> None:
    """Fifty short holds by eight threads leave the limit as it was."""
    seen: list[set[int]] = []

    def hold() -> None:
        for _ in range(50):
            with one_blas_thread():
                seen.append(blas_threads() if len(seen) < 40 else {1})

    workers = [threading.Thread(target=hold) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert all(found == {1} for found in seen)
    assert blas_threads() == {2}


def test_one_by_one_hands_out_results_in_order_and_gives_blas_back_when_left_early() -> None:
    assert list(one_by_one(lambda k: k * k, list(range(50)))) == [k * k for k in range(50)]
    results = one_by_one(lambda k: k, list(range(50)))
    assert [next(results), next(results)] == [0, 1]
    results.close()
    assert blas_threads() == {2}


def test_in_order_keeps_the_order() -> None:
    assert in_order(lambda k: k * k, list(range(50))) == [k * k for k in range(50)]


def test_an_error_in_a_block_reaches_the_caller() -> None:
    def fail(k: int) -> int:
        if k == 3:
            raise ValueError("block 3")
        return k

    with pytest.raises(ValueError, match="block 3"):
        in_order(fail, list(range(8)))
    assert blas_threads() == {2}


def test_blocks_inside_blocks_do_not_deadlock() -> None:
    inner = lambda k: sum(in_order(lambda j: j, list(range(k + 2))))  # noqa: E731
    assert in_order(inner, list(range(10))) == [sum(range(k + 2)) for k in range(10)]


# the numbers ----------------------------------------------------------------------------------------------------------


def total(data: Numbers, block_rows: int) -> Terms:
    p = data.X.shape[1]
    return data.rows(block_rows).sum(kernels.likelihood, np.full((1, p), 0.1), family(data.link))


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("block_rows", [1, 7, 64, 1000])
def test_any_cut_into_blocks_gives_the_same_sum(link: str, block_rows: int) -> None:
    data = numbers(11, 500, 4, link)
    whole, cut = total(data, 500), total(data, block_rows)
    size = np.abs(whole.information).max()
    np.testing.assert_allclose(cut.loglik, whole.loglik, rtol=1e-13)
    np.testing.assert_allclose(cut.score, whole.score, rtol=1e-11, atol=1e-13 * size)
    np.testing.assert_allclose(cut.information, whole.information, atol=1e-13 * size)
    np.testing.assert_allclose(cut.curvature, whole.curvature, atol=1e-13 * size)


@pytest.fixture
def threads_given_back():
    yield
    threads.set_threads()


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_number_of_threads_changes_no_bit(workers: int, threads_given_back: None) -> None:
    data = numbers(12, 3000, 4, "logit")
    threads.set_threads(1)
    alone = total(data, 10)
    threads.set_threads(workers)
    together = total(data, 10)
    np.testing.assert_array_equal(alone.information, together.information)
    np.testing.assert_array_equal(alone.loglik, together.loglik)


def busy(count: int) -> set[str]:
    """Names of the threads that work on ``count`` items which all wait for each other, as far as there are threads."""
    together = threading.Barrier(min(count, threads.n_threads()))

    def work(_: int) -> str:
        together.wait(10)
        return threading.current_thread().name

    return set(in_order(work, range(count)))


def test_as_many_threads_as_set(threads_given_back: None, monkeypatch: pytest.MonkeyPatch) -> None:
    threads.set_threads(3)
    assert len(busy(3)) == 3
    threads.set_threads(1)
    assert busy(1) == {threading.current_thread().name}
    threads.set_threads()
    monkeypatch.setenv("GLMINFER_THREADS", "4")
    assert threads.n_threads() == 4
    threads.set_threads(2)
    assert threads.n_threads() == 2  # what is set goes before the environment
    threads.set_threads()
    monkeypatch.delenv("GLMINFER_THREADS")
    assert threads.n_threads() >= 1


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_no_number_of_threads(n: object) -> None:
    with pytest.raises(InputError, match="no number of threads; it is a whole number, 1 or more"):
        threads.set_threads(n)  # type: ignore[arg-type]


def test_no_number_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLMINFER_THREADS", "many")
    with pytest.raises(InputError, match="GLMINFER_THREADS='many' is no number of threads"):
        threads.n_threads()


@pytest.mark.parametrize("block_rows", [1, 13, 400])
def test_map_returns_rows_in_order(block_rows: int) -> None:
    data = numbers(13, 300, 3, "logit")
    coef = np.array([[0.2, -1.0, 0.5]])
    np.testing.assert_allclose(data.rows(block_rows).map(kernels.eta, coef)[:, 0], data.X @ coef[0] + data.offset)


def test_no_rows() -> None:
    empty = MemoryRows(numbers(0, 5, 2, "logit").rows().whole.rows(slice(0, 0)))
    assert empty.sum(kernels.likelihood, np.zeros((1, 2)), family("logit")).loglik[0] == 0.0
    assert empty.map(kernels.eta, np.zeros((1, 2))).shape == (0, 1)


def test_every_blas_is_held_whenever_it_was_loaded():
    """scipy brings a BLAS of its own, loaded with scipy.linalg, which fits load late."""
    code = (
        "import glminfer as gi\n"
        "from threadpoolctl import threadpool_info\n"
        "from glminfer.numerics.threads import one_blas_thread\n"
        "with one_blas_thread():\n"
        "    gi.logit('y ~ x', {'y': [0, 1, 0, 1], 'x': [1, 2, 3, 4]})\n"
        "    print({pool['num_threads'] for pool in threadpool_info() if pool['user_api'] == 'blas'})\n"
    )
    many = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "2")
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | many, capture_output=True, text=True)
    assert done.stdout.strip() == "{1}", done.stderr
