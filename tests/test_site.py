"""The documentation site, as far as it can be tested without building it; `make docs` builds it."""

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import spikeloop
from benchmarks.realism_page import head_of
from spikeloop.streamer.commands.registry import COMMANDS
from tests.support.places import REPOSITORY

pytestmark = [pytest.mark.lsl, pytest.mark.realtime, pytest.mark.timeout(300)]

DOCS = REPOSITORY / "docs"
GENERATED = ("_build", "generated")
APART = (*GENERATED, "paper")  # the paper is of a journal's form
PAGES = sorted(path for path in DOCS.rglob("*.md") if not set(path.parts) & set(APART))
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
SHOWN = {
    "subscribe": [r"\d+ spikes of 50 units in 100 bins", r"^True$", r"unit +\d+ at 0\.0000 s"],
    "test_a_decoder": [r"kalman +100 %", r"chance +0 %", r"95 % interval"],
    "connect_a_device": [r"driven by \[30\.0, 0\.0\] cm/s; after the release at rest", r"(8|9|10) of 10 units fired"],
}
HOLE = "…"


@pytest.mark.long
@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs_and_shows_what_it_promises(tutorial: Path, tmp_path: Path):
    pytest.importorskip("ipykernel", reason="notebooks run in a kernel of ipykernel")
    jupytext = pytest.importorskip("jupytext", reason="reads notebooks that are Markdown")
    from nbclient import NotebookClient

    notebook = jupytext.read(tutorial, fmt="md:myst")
    client = NotebookClient(notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = "\n".join(output.get("text") or output.data["text/plain"] for output in outputs)
    assert not [pattern for pattern in SHOWN[tutorial.stem] if not re.search(pattern, shown, re.MULTILINE)], shown


def test_a_tutorial_needs_nothing_but_the_package():
    """And what that brings: NumPy and pylsl."""
    for tutorial in TUTORIALS:
        cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", tutorial.read_text("utf-8"), re.DOTALL)
        imported = {
            alias.name if isinstance(statement, ast.Import) else statement.module
            for statement in ast.walk(ast.parse("\n".join(cells)))
            if isinstance(statement, ast.Import | ast.ImportFrom)
            for alias in statement.names
        }
        assert imported - set(sys.stdlib_module_names) <= {"numpy", "pylsl", "spikeloop"}


def test_every_page_is_in_a_table_of_contents():
    listed = [line for block in directives(DOCS / "index.md", "toctree") for line in block if not line.startswith(":")]
    assert len(listed) == len(set(listed))
    assert {DOCS / f"{name}.md" for name in listed} | {DOCS / "index.md"} == set(PAGES)


def test_every_public_name_is_in_the_reference():
    lines = (DOCS / "reference" / "api.md").read_text("utf-8").splitlines()
    listed = [line.strip() for line in lines if re.fullmatch(r"   [\w.]+", line)]
    assert len(listed) == len(set(listed))
    assert set(listed) >= {*spikeloop.PLACES, "gym.ClosedLoopEnv", "bridges.cl.source"}
    for name in listed:
        assert name in spikeloop.PLACES or "." in name, name


def test_the_command_line_reference_covers_every_command_and_option():
    helps = dict(extension("printed_help").helps())
    assert list(helps) == list(COMMANDS)
    assert [text.split()[:4] for text in helps["device"][1:]] == [
        ["usage:", "spikeloop", "device", kind] for kind in ("stimulator", "arm", "probe")
    ]
    for name, texts in helps.items():
        assert texts[0].startswith(f"usage: spikeloop {name}")
        assert "--json" in texts[-1]
        assert "\x1b" not in "".join(texts)


@pytest.mark.parametrize("path", [*REPOSITORY.glob("*.md"), *PAGES], ids=lambda path: path.stem)
def test_links_lead_to_headings_that_exist(path: Path):
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", path.read_text("utf-8"))
    missing = [(page, anchor) for page, anchor in links if anchor not in anchors(path.parent / page if page else path)]
    assert not missing


def test_troubleshooting_quotes_messages_of_the_code():
    quoted = re.findall(r"^### (.+)$", (DOCS / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    assert len(quoted) >= 20
    known = set(messages())
    assert not [message for message in quoted if message not in known]


def test_the_page_of_realism_begins_with_what_it_describes_and_how_it_is_written_anew():
    """In the words of its generator."""
    page = (DOCS / "realism.md").read_text("utf-8")
    told = re.search(r"^Measured on (\S+) with spikeloop (.+?), by `(.+?)` on (\d+) cores", page, re.MULTILINE)
    assert told is not None
    assert head_of(dict(zip(("date", "version", "command", "cores"), told.groups(), strict=True))) in page
    assert told.start() < page.index("\n## ")


def test_commands_of_the_guides_are_those_of_pages_whose_commands_are_run():
    """By `test_readme.py`."""
    run = {line for path in (REPOSITORY / "README.md", *DOCS.glob("*.md")) for line in shell_lines(path)}
    guided = {line for path in (DOCS / "how_to").glob("*.md") for line in shell_lines(path)}
    assert not [line for line in guided - run if not line.startswith("pip install")]


def directives(path: Path, name: str) -> list[list[str]]:
    """The lines of each directive of a page that has this name."""
    blocks = re.findall(rf"```\{{{name}\}}\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
    return [[line for line in block.splitlines() if line] for block in blocks]


def extension(name: str) -> ModuleType:
    """Import a module of the site's own."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "_extensions" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as the code host and the site make them."""
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    headings = [heading.strip().lower() for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def messages() -> Iterator[str]:
    """Every message of an error that is raised, and every text that is returned, with a hole for each value in it."""
    for room in ("models", "exporters", "streamer"):
        for path in (REPOSITORY / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Error"):
                    yield from map(text_of, node.args[:1])
                elif isinstance(node, ast.Return) and node.value is not None:
                    yield text_of(node.value)


def text_of(message: ast.expr) -> str:
    """The text of a message, with its holes; empty for what is no text."""
    if isinstance(message, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in message.values)
    return str(message.value) if isinstance(message, ast.Constant) else ""


def shell_lines(path: Path) -> list[str]:
    """The lines for a shell in a page."""
    blocks = re.findall(r"```sh\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]
