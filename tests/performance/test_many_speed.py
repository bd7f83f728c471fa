"""Limits on many models, beside loops of other packages in the same process; on demand: ``pytest -m performance``.

Ratios of processor times hardly depend on the machine or on what else it does; the limits in microseconds are those of
a quiet machine on which R's glm.fit takes 483 microseconds for a model of 300 rows and 8 columns.
"""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from performance.many import speed

pytestmark = pytest.mark.performance

R_QUIET = 483.0  # microseconds
LIMITS = {"outcomes": 20.0, "candidates": 30.0}


@pytest.fixture(scope="module")
def found():
    if find_spec("statsmodels") is None or shutil.which("Rscript") is None:
        pytest.skip("statsmodels and R are the measure")
    return speed()


@pytest.mark.parametrize("kind", ["outcomes", "candidates"])
def test_a_model_of_a_batch(found, kind, capsys):
    rows = {name: cpu for name, (_, cpu) in found[kind].items()}
    slower = found["outcomes"]["R glm.fit, loop"][1] / R_QUIET
    with capsys.disabled():
        print(
            f"\n{kind}: " + "; ".join(f"{name} {cpu:.1f} µs" for name, cpu in rows.items()), f"; machine {slower:.2f}"
        )
    assert rows["glminfer"] / slower <= LIMITS[kind]
    assert rows["statsmodels Logit, loop"] / rows["glminfer"] >= 20


def test_a_hundred_thousand_models_need_less_than_a_gigabyte():
    script = Path(__file__).with_name("many.py")
    done = subprocess.run([sys.executable, script, "--memory"], capture_output=True, text=True, check=True)
    peak = float(done.stdout.split("peak memory ")[1].split(" MB")[0].replace(",", ""))
    assert peak < 1000
