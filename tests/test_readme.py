"""The README keeps its promises: two commands, and an example that prints what the page shows."""

import contextlib
import io
import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [body for found, body in BLOCK.findall(README) if found == language]


def trimmed(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def test_there_are_two_commands_of_one_line():
    commands = blocks("bash")
    assert len(commands) == 2
    assert all(len(command.splitlines()) == 1 for command in commands)
    assert commands[0].startswith("python3 -m venv .venv && ")
    assert commands[1].rstrip().endswith("-m pytest")


def test_the_first_command_runs_a_script_that_exists():
    script = blocks("bash")[0].split()[-1]
    assert (Path(__file__).parents[1] / script).is_file()


def test_the_example_prints_what_the_page_shows():
    (code,) = blocks("python")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    assert printed.getvalue().strip()
    for shown in blocks("text"):
        assert trimmed(printed.getvalue()) == trimmed(shown)
