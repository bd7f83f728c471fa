"""Recording sessions stored as .npz files: trials, spike counts and brain areas, as frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.datasets.download import course_file
from glminfer.errors import DataError, checked_keywords

Arrays = dict[str, NDArray[Any]]
_SPIKES = ("counts", "spikes")


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One recording session.

    Attributes
    ----------
    name : str
        Mouse and date, or the name of the file.
    trials : DataFrame
        One row per trial: what the file holds of the behaviour (contrast_left, contrast_right, feedback, choice),
        mouse, date, session (the name) and trial (from 1).
    spikes : DataFrame
        Counts (or rates) of each neuron on each trial, with the rows of ``trials`` and columns n000, n001, ...
    areas : Series
        Brain area of each neuron, by its name; missing where the file does not tell.

    See Also
    --------
    load_steinmetz

    """

    name: str
    trials: pd.DataFrame
    spikes: pd.DataFrame
    areas: pd.Series

    @property
    def frame(self) -> pd.DataFrame:
        """Trials and spikes side by side, as `simulate_session` gives them."""
        return pd.concat([self.trials, self.spikes], axis=1)

    def __repr__(self) -> str:
        return f"Session {self.name}: {len(self.trials):,} trials, {self.spikes.shape[1]:,} neurons"


@checked_keywords
def load_steinmetz(path: str | Path | None = None) -> Session | tuple[Session, ...]:
    """Recordings of mice in a visual choice task (Steinmetz et al. 2019): trials, spike counts and areas as frames.

    Parameters
    ----------
    path : str or Path, optional
        An .npz file, or a folder of such files. Each holds the spikes as ``counts`` or ``spikes``, (trials, neurons);
        ``area``, (neurons,), if known; and anything else that has one value for each trial (``contrast_left``,
        ``contrast_right``, ``feedback``, ``choices``) or for the session (``mouse``, ``date``). Without a path, the
        session that a course distributes (276 trials, 691 neurons: choices and normalised rates) is downloaded from
        https://osf.io/r9gh8, checked, and kept in the cache of the user; this needs ``pip install 'glminfer[data]'``.

    Returns
    -------
    Session, or tuple of Session
        One for a file; for a folder one for each file, in the order of their names.

    Raises
    ------
    DataError
        If there is no such file, or it does not hold a session.
    ConnectionError
        If the file cannot be downloaded.

    References
    ----------
    Steinmetz, Zatka-Haas, Carandini & Harris (2019), Nature 576:266-273.

    Examples
    --------
    >>> import numpy as np, tempfile, glminfer as gi
    >>> file = tempfile.gettempdir() + "/tiny_session.npz"
    >>> np.savez(file, counts=[[0, 2], [1, 0], [3, 1]], area=["VISp", "CA1"], feedback=[1, -1, 1], mouse="Ada")
    >>> session = gi.datasets.load_steinmetz(file)
    >>> session
    Session Ada: 3 trials, 2 neurons
    >>> session.trials.columns.tolist()
    ['feedback', 'mouse', 'session', 'trial']
    >>> session.areas["n001"]
    'CA1'
    """
    if path is None:
        return _session(course_file())
    place = Path(path)
    if not place.is_dir():
        return _session(place)
    files = sorted(place.glob("*.npz"))
    if not files:
        raise DataError(f"The folder {str(path)!r} holds no .npz files. Give the folder with the session files in it.")
    return tuple(map(_session, files))


def _session(path: Path) -> Session:
    arrays = _arrays(path)
    found = [name for name in _SPIKES if name in arrays]
    if len(found) != 1 or arrays[found[0]].ndim != 2 or arrays[found[0]].dtype.kind not in "biuf":
        raise DataError(
            f"{path} holds {_listed(arrays)}; a session has its spikes as an array of numbers, 'counts' or 'spikes', "
            "of shape (trials, neurons)."
        )
    values = arrays.pop(found[0])
    areas = arrays.pop("area", None)
    spikes = pd.DataFrame(values if values.dtype.kind == "f" else values.astype(np.int64))
    width = max(3, len(str(spikes.shape[1] - 1)))
    spikes.columns = pd.Index([f"n{k:0{width}d}" for k in range(spikes.shape[1])])
    columns = {_named(name): _column(path, name, array, len(spikes)) for name, array in arrays.items()}
    trials = pd.DataFrame(columns, index=spikes.index)
    name = "-".join(str(arrays[part]) for part in ("mouse", "date") if part in arrays) or path.stem
    if "session" not in trials:
        trials["session"] = name
    if "trial" not in trials:
        trials["trial"] = np.arange(1, len(spikes) + 1)
    return Session(name, trials, spikes, _areas(path, areas, spikes.columns))


def _arrays(path: Path) -> Arrays:
    """Everything in an .npz file."""
    import zipfile  # here, because it would be a tenth of the time that importing the package takes
    import zlib

    if not path.exists():
        raise DataError(
            f"There is no file or folder {str(path)!r}. Without path= the session of the course is downloaded."
        )
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} is no .npz file, or not all of one. Save one with np.savez, or fetch it again.")
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read as an .npz file of plain arrays ({error}). Look whether it is complete; Python "
            "objects in it are not read, because they can run any code."
        ) from None


def _named(name: str) -> str:
    return "choice" if name == "choices" else name


def _column(path: Path, name: str, array: NDArray[Any], n: int) -> Any:
    """One value for each trial: as stored, or that of the session repeated."""
    if array.shape not in ((), (n,)):
        raise DataError(
            f"{path}: the array {name!r} has shape {array.shape}, which is neither one value for each of the {n:,} "
            "trials nor one for the session."
        )
    whole = array.dtype.kind in "iu" or (array.dtype.kind == "f" and name == "choices" and bool((array % 1 == 0).all()))
    column = array.astype(np.int64) if whole else array
    return np.full(n, column[()]) if array.ndim == 0 else column


def _areas(path: Path, areas: NDArray[Any] | None, neurons: pd.Index) -> pd.Series:
    if areas is None:
        return pd.Series(None, index=neurons, name="area", dtype="str")
    if areas.shape != (len(neurons),):
        raise DataError(
            f"{path}: the array 'area' has shape {areas.shape}, and there are {len(neurons):,} neurons; each has one."
        )
    return pd.Series(areas.astype(str), index=neurons, name="area", dtype="str")


def _listed(arrays: Arrays) -> str:
    return ", ".join(f"{name!r} {array.shape}" for name, array in arrays.items()) or "no arrays"
