"""Public files, fetched once, checked, and kept in the user's cache. The only module that imports pooch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from glminfer.errors import DataError

COURSE_FILE = "https://osf.io/r9gh8/download"
COURSE_MD5 = "d19716354fed0981267456b80db07ea8"
_SECONDS = 30  # without an answer


def course_file() -> Path:
    """The file of the course, downloaded when it is not in the cache yet."""
    return fetched(COURSE_FILE, COURSE_MD5, "steinmetz_course.npz")


def fetched(address: str, md5: str, name: str) -> Path:
    """A file by its address, from the cache if a copy with the right checksum is there.

    Raises
    ------
    ImportError
        Without pooch.
    ConnectionError
        If the file cannot be had.
    DataError
        If its checksum is another one.
    """
    pooch = _pooch()
    folder = pooch.os_cache("glminfer")
    try:
        found = pooch.retrieve(address, f"md5:{md5}", name, folder, downloader=pooch.HTTPDownloader(timeout=_SECONDS))
    except ValueError:
        raise DataError(
            f"The file at {address} is not the one expected: its MD5 checksum is not {md5}. The download may have been "
            "incomplete, so try again; a copy of the file that is at hand can be given with path=."
        ) from None
    except OSError as error:
        raise ConnectionError(
            f"{address} could not be downloaded to {folder} ({error}). Check the connection and the folder, or "
            "download the file in another way and give it with path=."
        ) from error
    return Path(found)


def _pooch() -> Any:
    try:
        import pooch
    except ImportError:
        raise ImportError(
            "Downloads need pooch: pip install 'glminfer[data]'. A file that is at hand is read without it: path='...'."
        ) from None
    return pooch
