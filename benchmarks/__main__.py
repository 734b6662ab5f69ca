"""Run benchmarks, print their figures, keep them as JSON, and on request write them to docs/figures.md."""

import datetime
import importlib
import json
import os
import platform
from pathlib import Path
from typing import Annotated, Literal, get_args

import tyro
from tyro.conf import Positional

RESULTS = Path(__file__).parent / "results"
FIGURES = Path(__file__).parents[1] / "docs" / "figures.md"

Benchmark = Literal[
    "stream", "speed", "scale", "endless", "latency", "loop_latency", "augmentation",
    "batch_statistics", "importance", "packets", "drift", "drift_rates", "monitor",
    "closed_loop", "decoder_ranking", "broadband", "ephys_socket", "voltage_generators",
    "hardware_round_trip", "binning", "recorder", "replay",
    "dashboard", "webgrid", "isolation", "sweep", "days", "refit",
    "training", "time_to_quality", "candidates", "recordings", "families",
    "bridges_synapse", "bridges_cl", "gpu",
]  # fmt: skip
ALL: tuple[Benchmark, ...] = get_args(Benchmark)
NOT_BY_DEFAULT = ("speed", "gpu")  # an earlier version, or a GPU, is needed
BY_DEFAULT: tuple[Benchmark, ...] = tuple(name for name in ALL if name not in NOT_BY_DEFAULT)


def main(
    names: Positional[tuple[Benchmark, ...]] = BY_DEFAULT,
    seconds: Annotated[float, tyro.conf.arg(help="how long each stream runs")] = 60.0,
    write: Annotated[bool, tyro.conf.arg(help="write the figures to docs/figures.md")] = False,
) -> None:
    """Run benchmarks; each prints its figures and keeps them in benchmarks/results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    for name in names:
        print(f"\n== {name}", flush=True)
        result = importlib.import_module(f"benchmarks.{name}").measure(seconds)
        result |= {"date": f"{datetime.date.today():%Y-%m-%d}", "cores": os.cpu_count(), "machine": platform.machine()}
        result["command"] = f"python -m benchmarks {name} --seconds {seconds:g}"
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        print(_table(result))
    if write:
        _write_figures()


def _table(result: dict) -> str:
    """Rows as a Markdown table, with date, cores and command above it."""
    columns = list(result["rows"][0])
    lines = [f"{result['about']}\n", f"{result['date']}, {result['cores']} cores, `{result['command']}`:\n"]
    lines += [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(_cell(row[column]) for column in columns)} |" for row in result["rows"]]
    return "\n".join([*lines, *(f"\n{note}" for note in result.get("notes", ()))])


def _cell(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _write_figures() -> None:
    """Write what was measured here; all other sections stay as they are in the file."""
    title = "# What was measured\n\nWritten by `python -m benchmarks ... --write`; never by hand.\n"
    before = FIGURES.read_text().split("\n## ")[1:] if FIGURES.exists() else []
    sections = {section.split("\n", 1)[0]: f"## {section.rstrip()}\n" for section in before}
    for name in ALL:
        if (path := RESULTS / f"{name}.json").exists():
            sections[name] = f"## {name}\n\n{_table(json.loads(path.read_text()))}\n"
    others = [section for name, section in sections.items() if name not in ALL]
    FIGURES.write_text("\n".join([title, *(sections[name] for name in ALL if name in sections), *others]))


if __name__ == "__main__":
    tyro.cli(main)
