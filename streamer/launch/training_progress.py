"""How a training run shows itself in a terminal or a notebook."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from spikeloop.models.measures.similarity import Similarity
from spikeloop.models.measures.table import title_of
from spikeloop.models.training.progress import Progress

__all__ = ["shown_progress"]


@contextmanager
def shown_progress(verb: str, console: Console | None = None) -> Iterator[Callable[[Progress], None]]:
    """Show a bar, and a line for each comparison with held-out data.

    Parameters
    ----------
    verb : str
        What is done, such as "training".
    console : rich.console.Console, default on stderr

    Yields
    ------
    callable (Progress)
        To be called with each progress.
    """
    columns = (
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    console = console or Console(stderr=True)
    shown: tuple[Similarity, ...] = ()
    with Bar(TextColumn(verb), *columns, console=console, refresh_per_second=2, transient=True) as bar:
        task = bar.add_task("", total=1.0)

        def show(progress: Progress) -> None:
            nonlocal shown
            minutes = f"{progress.trained_s / 60:.1f} min"
            step = f"step {progress.steps}" if progress.steps else ""
            doing = progress.preparing or progress.finishing or step
            bar.update(task, completed=progress.share, description=doing)
            if progress.preparing and not bar.console.is_terminal:
                bar.console.print(progress.preparing)
            for line in progress.starts:
                bar.console.print(line)
            if progress.stopped and progress.finishing == "calibrating":
                bar.console.print(f"{minutes}, step {progress.steps}: {progress.stopped}")
            if progress.finishing and not bar.console.is_terminal:
                bar.console.print(f"{minutes}, {progress.finishing}")
            if progress.resumed:
                bar.console.print(f"resuming at step {progress.steps} ({minutes})")
            if progress.similarity != shown:
                shown = progress.similarity
                ratios = ", ".join(f"{title_of(row.statistic)} {row.ratio:.2f}" for row in shown)
                bar.console.print(f"{minutes}, step {progress.steps}, E/F: {ratios}")

        yield show
