"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import glminfer

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules() -> list:
    found = pkgutil.walk_packages([str(p) for p in glminfer.__path__], "glminfer.", onerror=lambda _: None)
    return ["glminfer", *(module.name for module in found)]


@pytest.mark.parametrize("module", modules())
def test_examples(module, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    examples = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module))
    report: list[str] = []
    for example in examples:
        doctest.DocTestRunner(optionflags=FLAGS).run(example, out=report.append)
    assert not report, "".join(report)
