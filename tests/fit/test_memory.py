"""Memory of a fit, measured in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "performance" / "memory.py"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measured as Linux tells it")
def test_a_fit_needs_little_more_than_its_matrix() -> None:
    """Less than 2.2 design matrices beyond the data frame at the peak; a second copy of the matrix would show."""
    command = [sys.executable, str(SCRIPT), "300000", "20"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=SCRIPT.parents[2]).stdout
    peak = re.search(r"at the peak .*: ([\d.]+) design matrices", printed)
    assert peak is not None, printed
    assert 0.9 < float(peak[1]) < 2.2, printed
