"""The pages of the documentation keep their promises: examples run, outputs are real, equation numbers exist."""

import contextlib
import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import glminfer as gi

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "guide").glob("*.md"))]
WITH_OUTPUT = {"README.md", "docs/guide/summary.md", "docs/guide/separation.md"}  # at least these show what is printed
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WARNINGS = (gi.ConvergenceWarning, gi.SeparationWarning)


@dataclass(frozen=True)
class Example:
    """A block of Python, what the page says just before it, and the output shown directly below it, if any."""

    line: int
    before: str
    code: str
    shown: str | None


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def examples(page: Path) -> Iterator[Example]:
    whole = text(page)
    blocks = list(BLOCK.finditer(whole))
    for k, block in enumerate(blocks):
        if block[1] != "python":
            continue
        last = blocks[k - 1].end() if k else 0
        after = blocks[k + 1] if k + 1 < len(blocks) else None
        shown = after is not None and after[1] == "text" and not whole[block.end() : after.start()].strip()
        line = whole.count("\n", 0, block.start()) + 2
        yield Example(line, whole[last : block.start()], block[2], after[2] if after and shown else None)


def printed(example: Example, page: Path, namespace: dict) -> str:
    """What the block prints. A warning fails, unless the block or the text that leads to it names its class."""
    code = compile("\n" * (example.line - 1) + example.code, str(page), "exec")
    out = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(out):
        warnings.simplefilter("error")
        for category in WARNINGS:
            if category.__name__ in example.before + example.code:
                warnings.simplefilter("ignore", category)
        exec(code, namespace)
    return out.getvalue()


def lines(output: str) -> list[str]:
    return [line.rstrip() for line in output.strip("\n").splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_examples_of_a_page_run_and_print_what_it_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    namespace = {"__name__": "page"}
    outputs = 0
    for example in examples(page):
        got = printed(example, page, namespace)
        if example.shown is not None:
            outputs += 1
            assert lines(got) == lines(example.shown), f"{name(page)}, line {example.line}, prints something else"
    assert outputs or name(page) not in WITH_OUTPUT


def test_a_warning_fails_unless_it_is_announced():
    code = 'import glminfer as gi\ngi.logit("y ~ x", {"y": [0, 0, 1, 1], "x": [1, 2, 3, 4]})\n'
    page = Path("page.md")
    with pytest.raises(gi.SeparationWarning):
        printed(Example(1, "", code, None), page, {})
    assert printed(Example(1, "This gives a `gi.SeparationWarning`:", code, None), page, {}) == ""


# equations -----------------------------------------------------------------------------------------------------------

TAGS = [int(number) for number in re.findall(r"\\tag\{(\d+)\}", text(ROOT / "docs" / "theory.md"))]


def test_every_equation_has_a_number_of_its_own():
    assert len(TAGS) == len(set(TAGS)) > 0


def cited(page: Path) -> set[int]:
    """Numbers after the word equation on a page; those at the end of a comment or a phrase in the code."""
    if page.suffix == ".py":
        found = re.findall(r"(?:#|[a-z)\]]) \((\d{1,3})\)(?=[.,;:]?(?:\s|$))", text(page), flags=re.MULTILINE)
    else:
        lists = re.findall(r"[Ee]quations?((?:(?:,|\s|and|to)*\(\d+\))+)", text(page))
        found = [number for several in lists for number in re.findall(r"\d+", several)]
    return set(map(int, found))


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "glminfer").rglob("*.py"))], ids=name)
def test_equations_that_are_cited_exist(page):
    numbers = cited(page)
    if page.suffix == ".py":
        numbers = {number for number in numbers if number <= max(TAGS)}  # later ones are still to be written
    assert numbers <= set(TAGS)


# links ---------------------------------------------------------------------------------------------------------------


def test_links_of_the_readme_lead_somewhere():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", text(ROOT / "README.md"))
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]


def test_every_page_is_in_the_index():
    listed = set(re.findall(r"^([\w/]+)$", text(ROOT / "docs" / "index.md"), flags=re.MULTILINE))
    pages = {name(page).removeprefix("docs/").removesuffix(".md") for page in PAGES[1:]} - {"index"}
    assert listed == pages
