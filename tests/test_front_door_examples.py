"""Each line of the front door, run as a program, and from a real Jupyter kernel."""

import re
from pathlib import Path
from runpy import run_path

import nbformat
import pytest
from nbclient import NotebookClient

import spikeloop
from tests.support.places import REPOSITORY

pytestmark = [pytest.mark.lsl, pytest.mark.realtime, pytest.mark.timeout(300)]

SCRIPTS = sorted((REPOSITORY / "examples" / "front_door").glob("*.py"))
NOTEBOOK = REPOSITORY / "examples" / "front_door.ipynb"
PRINTED = {
    "train_a_model": r"mine has 50 units\nmean E/F \d+\.\d+",
    "generate": r"bins, units: \(\d+, 50\)",
    "population": r"spikes in a second, moving and resting: \d+ \d+",
    "stream": r"bins received: 50\n\d+ bins",
    "open_stream": r"50 bins",
    "closed_loop": r"mine minus kalman: -?\d+\.\d\d s, (better|worse|no difference found)",
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_prints_what_it_promises(script: Path, tmp_path: Path, monkeypatch, capsys, brief_verdicts):
    monkeypatch.chdir(tmp_path)
    run_path(str(script), run_name="__main__")
    printed = capsys.readouterr().out
    assert re.search(PRINTED[script.stem], printed), printed


def test_every_function_of_the_front_door_is_in_a_script_or_the_notebook():
    shown = "".join(path.read_text("utf-8") for path in (*SCRIPTS, NOTEBOOK))
    functions = {"read_recording", "train", "load_bundle", "generate", "Population", "stream", "open_stream"}
    functions |= {"closed_loop", "evaluate"}
    assert functions <= set(spikeloop.__all__)
    assert all(f"spikeloop.{name}(" in shown for name in functions)


def test_the_notebook_gives_what_it_shows(tmp_path: Path):
    """In a Jupyter kernel, whose event loop is running; what is compared does not depend on time."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    shown = results_of(notebook)
    NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    assert shown
    assert results_of(notebook) == shown


def results_of(notebook: nbformat.NotebookNode) -> list[str]:
    """The values of the cells, in order."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output.data["text/plain"] for output in outputs if output.output_type == "execute_result"]
