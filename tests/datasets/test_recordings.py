"""Recordings from files made here, and over HTTP from a server of our own; a real download is never tried."""

import hashlib
import socket
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest

import glminfer as gi
from glminfer.datasets import Session, download, load_steinmetz

RNG = np.random.default_rng(3)
N, NEURONS = 40, 5


def session(**changes):
    """The arrays of a session file."""
    arrays = {
        "counts": RNG.poisson(1.5, (N, NEURONS)).astype(np.uint8),
        "area": np.resize(["VISp", "CA1", "root"], NEURONS),
        "contrast_left": RNG.choice([0, 0.25, 0.5, 1], N),
        "contrast_right": RNG.choice([0, 0.25, 0.5, 1], N),
        "feedback": RNG.choice([-1, 1], N).astype(np.int8),
        "mouse": np.array("Ada"),
        "date": np.array("2016-12-14"),
    } | changes
    return {name: array for name, array in arrays.items() if array is not None}


COURSE = {"spikes": RNG.normal(size=(N, 7)), "choices": RNG.integers(0, 2, N).astype(float)}


def saved(path, arrays):
    np.savez(path, **arrays)
    return path


# files ---------------------------------------------------------------------------------------------------------------


def test_a_session_file(tmp_path):
    arrays = session()
    found = load_steinmetz(saved(tmp_path / "s.npz", arrays))
    assert isinstance(found, Session)
    assert repr(found) == "Session Ada-2016-12-14: 40 trials, 5 neurons"
    assert found.trials.columns.tolist() == [
        "contrast_left", "contrast_right", "feedback", "mouse", "date", "session", "trial"
    ]  # fmt: skip
    np.testing.assert_array_equal(found.spikes, arrays["counts"])
    assert set(found.spikes.dtypes) == {np.dtype(np.int64)}  # bytes would overflow in sums
    assert found.spikes.columns.tolist() == ["n000", "n001", "n002", "n003", "n004"]
    assert found.areas.to_dict() == dict(zip(found.spikes.columns, arrays["area"].tolist(), strict=True))
    assert found.trials.trial.tolist() == list(range(1, N + 1))
    assert found.trials.session.unique().tolist() == ["Ada-2016-12-14"]
    assert (found.trials.feedback.dtype, found.trials.mouse.iloc[0]) == (np.int64, "Ada")
    pd.testing.assert_frame_equal(found.frame, pd.concat([found.trials, found.spikes], axis=1))
    pd.testing.assert_frame_equal(load_steinmetz(str(tmp_path / "s.npz")).trials, found.trials)


def test_it_is_ready_for_formulas(tmp_path):
    found = load_steinmetz(saved(tmp_path / "s.npz", session()))
    fit = gi.logit("feedback == 1 ~ contrast_left + lag(feedback, 1, by=session) + n001", found.frame)
    assert fit.nobs == N - 1
    assert gi.logit("n001 > 0 ~ contrast_left * contrast_right", found.frame).nobs == N
    assert found.spikes.T.groupby(found.areas).mean().shape == (3, N)


def test_the_course_file(tmp_path):
    found = load_steinmetz(saved(tmp_path / "course.npz", COURSE))
    assert found.name == "course"
    assert found.trials.columns.tolist() == ["choice", "session", "trial"]
    assert found.trials.choice.dtype == np.int64
    np.testing.assert_array_equal(found.spikes, COURSE["spikes"])  # rates stay what they are
    assert found.areas.isna().all()
    assert gi.logit("choice ~ n000 + n006", found.frame).nobs == N


def test_a_folder_of_sessions(tmp_path):
    for k, date in enumerate(["b", "a", "c"]):
        saved(tmp_path / f"session_{k:02d}.npz", session(date=np.array(date)))
    (tmp_path / "README.md").write_text("not a session")
    assert [one.name for one in load_steinmetz(tmp_path)] == ["Ada-b", "Ada-a", "Ada-c"]


def test_other_values_of_trials_and_sessions_are_columns(tmp_path):
    extra = {"reaction_time": RNG.random(N), "hz": np.array(2500), "session": np.array("mine"), "mouse": None}
    found = load_steinmetz(saved(tmp_path / "s.npz", session(**extra)))
    assert found.name == "2016-12-14"
    assert found.trials.hz.tolist() == [2500] * N
    assert found.trials.session.unique().tolist() == ["mine"]
    np.testing.assert_array_equal(found.trials.reaction_time, extra["reaction_time"])


def test_many_neurons_have_names_of_one_length(tmp_path):
    found = load_steinmetz(saved(tmp_path / "s.npz", {"counts": np.zeros((2, 1200), np.uint8)}))
    assert found.spikes.columns[[0, -1]].tolist() == ["n0000", "n1199"]
    assert found.trials.to_dict("list") == {"session": ["s", "s"], "trial": [1, 2]}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"choices": np.zeros(3)},
            "holds 'choices' (3,); a session has its spikes as an array of numbers, 'counts' or",
        ),
        (session(counts=np.zeros(N)), "of shape (trials, neurons)."),
        (session(counts=np.full((N, NEURONS), "a")), "a session has its spikes as an array of numbers"),
        (session(spikes=np.zeros((N, 2))), "a session has its spikes as an array of numbers"),
        (session(area=np.array(["CA1"])), "the array 'area' has shape (1,), and there are 5 neurons; each has one."),
        (session(feedback=np.ones(N + 1)), "'feedback' has shape (41,), which is neither one value for each of the 40"),
        (session(feedback=np.array([None] * N)), "cannot be read as an .npz file of plain arrays"),
    ],
)
def test_files_that_hold_no_session(tmp_path, arrays, message):
    with pytest.raises(gi.DataError) as error:
        load_steinmetz(saved(tmp_path / "s.npz", arrays))
    assert message in str(error.value)
    assert str(tmp_path / "s.npz") in str(error.value)


def test_files_that_cannot_be_read(tmp_path):
    whole = saved(tmp_path / "s.npz", session()).read_bytes()
    for name, content in {"text.npz": b"hello", "half.npz": whole[: len(whole) // 2], "empty.npz": b""}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(gi.DataError, match=r"is no \.npz file, or not all of one\. Save one with np\.savez"):
            load_steinmetz(tmp_path / name)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(gi.DataError, match=r"is no \.npz file"):
        load_steinmetz(tmp_path / "one.npy")
    spoiled = bytearray(whole)
    spoiled[120:140] = bytes(20)
    (tmp_path / "spoiled.npz").write_bytes(spoiled)
    with pytest.raises(gi.DataError, match=r"cannot be read as an \.npz file of plain arrays \("):
        load_steinmetz(tmp_path / "spoiled.npz")


def test_places_that_are_not_there(tmp_path):
    with pytest.raises(gi.DataError, match=r"There is no file or folder 'nowhere.npz'\. Without path= the session of"):
        load_steinmetz("nowhere.npz")
    with pytest.raises(gi.DataError, match=r"holds no \.npz files"):
        load_steinmetz(tmp_path)
    with pytest.raises(TypeError, match="Did you mean 'path'"):
        load_steinmetz(pth="x")


# downloads -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The course file on a server of our own, in place of the public one, and an empty cache."""
    content = saved(tmp_path / "course.npz", COURSE).read_bytes()
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    served = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    served.asked = asked
    threading.Thread(target=served.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "COURSE_FILE", f"http://127.0.0.1:{served.server_port}/course.npz")
    monkeypatch.setattr(download, "COURSE_MD5", hashlib.md5(content).hexdigest())
    yield served
    served.shutdown()
    served.server_close()


pooch_needed = pytest.mark.usefixtures("has_pooch")


@pytest.fixture
def has_pooch():
    pytest.importorskip("pooch")


@pooch_needed
def test_the_course_file_is_downloaded_once(server):
    np.testing.assert_array_equal(load_steinmetz().spikes, COURSE["spikes"])
    np.testing.assert_array_equal(load_steinmetz().trials.choice, COURSE["choices"])
    assert len(server.asked) == 1


@pooch_needed
def test_a_spoiled_copy_in_the_cache_is_fetched_again(server, tmp_path):
    load_steinmetz()
    (copy,) = (tmp_path / "cache").rglob("*.npz")
    copy.write_bytes(b"spoiled")
    assert load_steinmetz().spikes.shape == (N, 7)
    assert len(server.asked) == 2


@pooch_needed
def test_another_file_at_the_address_is_refused(server, monkeypatch, tmp_path):
    monkeypatch.setattr(download, "COURSE_MD5", "0" * 32)
    with pytest.raises(gi.DataError) as error:
        load_steinmetz()
    assert f"The file at {download.COURSE_FILE} is not the one expected: its MD5 checksum is not" in str(error.value)
    assert "a copy of the file that is at hand can be given with path=" in str(error.value)
    assert not list((tmp_path / "cache").rglob("*.npz"))


@pooch_needed
def test_an_address_without_a_file(server, monkeypatch):
    monkeypatch.setattr(download, "COURSE_FILE", download.COURSE_FILE + "x")
    with pytest.raises(ConnectionError, match=r"could not be downloaded to .* \(404 Client Error.* give it with path="):
        load_steinmetz()


@pooch_needed
def test_no_network(server, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(download, "COURSE_FILE", f"http://127.0.0.1:{port}/course.npz")
    with pytest.raises(ConnectionError, match=r"could not be downloaded to .*Check the connection and the folder"):
        load_steinmetz()


def test_without_pooch(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError) as error:
        load_steinmetz()
    assert str(error.value) == (
        "Downloads need pooch: pip install 'glminfer[data]'. A file that is at hand is read without it: path='...'."
    )
    assert load_steinmetz(saved(tmp_path / "s.npz", session())).name == "Ada-2016-12-14"


def test_the_public_file_is_the_one_of_the_course():
    assert download.COURSE_FILE == "https://osf.io/r9gh8/download"
    assert download.COURSE_MD5 == "d19716354fed0981267456b80db07ea8"
