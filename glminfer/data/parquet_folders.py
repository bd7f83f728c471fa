"""Which files a path means, and the columns that the names of their folders give (``mouse=Ada/session=3``)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from glob import glob, has_magic
from typing import Any
from urllib.parse import unquote

from glminfer.errors import DataError

_MISSING = "__HIVE_DEFAULT_PARTITION__"  # how Hive and Spark write a missing value as the name of a folder


@dataclass(frozen=True, slots=True)
class File:
    """A file and what the folders it lies in say of all its rows.

    Attributes
    ----------
    path : str
    keys : dict
        Name to value: text, a whole number, or None where it is missing.
    """

    path: str
    keys: dict[str, Any]


def matching_files(path: Any) -> tuple[File, ...]:
    """The files of a path, a folder, a pattern, or several of these."""
    given = [path] if isinstance(path, str | os.PathLike) else list(path)
    return _with_numbers([file for one in given for file in _matching(os.fspath(one))])


def _matching(path: str) -> list[File]:
    found = _in_folder(path) if os.path.isdir(path) else sorted(glob(path)) if has_magic(path) else [path]
    if not found or not all(map(os.path.exists, found)):
        raise DataError(
            f"There is no file {path!r} (looked for in {os.getcwd()!r}). Give a Parquet file, a folder of .parquet "
            "files, or a pattern such as 'trials/*.parquet'."
        )
    base = path if os.path.isdir(path) else _before_magic(path)
    return [File(file, _keys(os.path.relpath(os.path.dirname(file) or ".", base))) for file in found]


def _in_folder(path: str) -> list[str]:
    """Its files; if it has none, those of its folders that are called ``name=value``."""
    own = sorted(glob(os.path.join(path, "*.parquet")))
    return own or sorted(file for folder in glob(os.path.join(path, "*=*/")) for file in _in_folder(folder))


def _before_magic(path: str) -> str:
    """The part of a pattern that names one folder."""
    while has_magic(path):
        path = os.path.dirname(path)
    return path if os.path.isdir(path) else os.path.dirname(path) or "."


def _keys(folders: str) -> dict[str, str | None]:
    pairs = [part.split("=", 1) for part in folders.split(os.sep) if "=" in part]
    return {unquote(name): None if value == _MISSING else unquote(value) for name, value in pairs}


def _with_numbers(files: list[File]) -> tuple[File, ...]:
    """The files with whole numbers for the values of names that have no others."""
    first = files[0] if files else File("", {})
    for file in files:
        if file.keys.keys() != first.keys.keys():
            raise DataError(
                f"The folders of {file.path!r} give {_told(file.keys)}, those of {first.path!r} {_told(first.keys)}: "
                "rows would miss a column. Give files whose folders have the same names before '='."
            )
    whole = {name for name in first.keys if _are_whole(file.keys[name] for file in files)}
    return tuple(File(file.path, {k: _number(v) if k in whole else v for k, v in file.keys.items()}) for file in files)


def _told(keys: dict[str, Any]) -> str:
    return f"values of {', '.join(map(repr, keys))}" if keys else "no columns"


def _are_whole(values: Iterable[str | None]) -> bool:
    """Whether all are whole numbers of 64 bits; not where two of them, such as 1 and 01, would be the same one."""
    given = {value for value in values if value is not None}
    if not given or not all(value.isascii() and value.removeprefix("-").isdigit() for value in given):
        return False
    numbers = set(map(int, given))
    return len(numbers) == len(given) and all(abs(number) < 1 << 63 for number in numbers)


def _number(value: str | None) -> int | None:
    return None if value is None else int(value)
