"""The frozen R cases, and how a case is fitted here."""

from __future__ import annotations

import functools
import importlib.util
import warnings
from pathlib import Path

import glminfer as gi

FOLDER = Path(__file__).parent / "reference"


@functools.cache
def _loader():
    spec = importlib.util.spec_from_file_location("reference_load", FOLDER / "load.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def case(name: str) -> dict:
    with warnings.catch_warnings():  # pandas 3 deprecates float_precision, which pandas 2 needs to read every digit
        warnings.filterwarnings("ignore", message=".*float_precision")
        return _loader().load_case(str(FOLDER / f"{name}.json"))


NAMES = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "transforms")


def formula_of(found: dict) -> str:
    if found["response"]["kind"] != "grouped":
        return found["formula"]
    left, right = found["formula"].split("~", 1)
    events, failures = left.split("+")
    return f"cbind({events.strip()}, {failures.strip()}) ~ {right}"


@functools.cache
def fitted(name: str) -> gi.Fit:
    return fit_case(name)


def fit_case(name: str, penalty: object = None, control: gi.Control | None = None) -> gi.Fit:
    """The fit of a case, also with a penalty or with knobs."""
    found = case(name)
    options = {key: found["options"].get(key) for key in ("weights", "offset")}
    if found["response"]["kind"] == "proportion":  # R gives the trials as prior weights
        options = {"trials": options["weights"], "offset": options["offset"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gi.SeparationWarning)
        options |= {"link": found["link"], "penalty": penalty, "control": control}
        return gi.glm(formula_of(found), found["frame"], **options)
