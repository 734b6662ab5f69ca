"""`spikeloop.generate_files`: spikes to files, by processes or machines; an interrupted generation goes on."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from spikeloop.exporters.bundle import Bundle, load_bundle
from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.models.errors import FailureError
from spikeloop.models.html import ShownAsTable, Table
from spikeloop.models.scalars import checked_callable, checked_choice, checked_path, checked_text, checked_whole
from spikeloop.streamer.batch.engine import Engine, Task, failure_of
from spikeloop.streamer.batch.opening import open_engine
from spikeloop.streamer.batch.slurm import ShareEngine
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch.checks import bins_of, check_seed
from spikeloop.streamer.launch.drive import open_offline_drive
from spikeloop.streamer.launch.generate import Generation
from spikeloop.streamer.launch.generated_file import check_generated_file, write_generated
from spikeloop.streamer.launch.long_generation.parts import Parts, PartsSource
from spikeloop.streamer.launch.long_generation.stretch import Stretch, condition_sha256, run_stretch
from spikeloop.streamer.stream.source import Source, WindowSource, open_source

__all__ = ["GeneratedFile", "LongGeneration", "generate_files"]

PART_COUNTS = 2**24  # bins times units that are kept together: what a kill loses at most, of each worker
LOOKS_EVERY_S = 0.5  # at the parts that are done, for the progress
MOST_SESSIONS = 10_000


@dataclass(frozen=True)
class GeneratedFile:
    """A file of one seed.

    Attributes
    ----------
    path : Path
    seed : int
    shape : tuple of int
        (bins, units).
    provider : str
        What the model ran on.
    spikes : float
        Their number; of fluorescence, its sum.
    """

    path: Path
    seed: int
    shape: tuple[int, int]
    provider: str
    spikes: float


@dataclass(frozen=True, eq=False, repr=False)
class LongGeneration(ShownAsTable):
    """What a long generation came to.

    Attributes
    ----------
    files : tuple of GeneratedFile
        In the order of seeds.
    waiting : tuple of Path
        Files that other processes of a job have still to generate something for.
    """

    files: tuple[GeneratedFile, ...]
    waiting: tuple[Path, ...]

    def _table(self) -> Table:
        rows = [(str(file.path), str(file.seed), f"{file.spikes:g}") for file in self.files]
        rows += [(str(path), "-", "left to other processes") for path in self.waiting]
        return f"{len(self.files)} of {len(rows)} files", ("file", "seed", "spikes"), rows


def generate_files(
    bundle: str | Path,
    out: str | Path,
    duration_s: float,
    *,
    seed: int = 0,
    sessions: int = 1,
    condition: str | None = None,
    device: Device = "auto",
    engine: str = "processes",
    workers: int | None = None,
    on_progress: Callable[[str, float], None] = lambda doing, share: None,
) -> LongGeneration:
    """Generate spikes to files by several processes or machines: the same, bit for bit, as `generate` gives.

    What is done is kept beside the file, in FILE.parts: after Ctrl-C, a crash or a kill the same call goes on from
    there. A causal model keeps its state from bin to bin, so that one worker after another generates a seed, and
    several seeds run in parallel; windows of a model of windows are generated in parallel.

    Parameters
    ----------
    bundle : str or Path
        Name of a shipped bundle, or the path of one; workers on other machines see the same.
    out : str or Path
        The file; its suffix says the format, as of `write_recording`. Of several sessions, SEED is added to its name.
    duration_s : float > 0, s
    seed : int >= 0, default 0
        Of the first session; each further one adds 1.
    sessions : int >= 1, default 1
    condition : str, optional
        What drives the population, as of the option `--condition`.
    device : {"auto", "cpu", "cuda"}
    engine : str, default "processes"
        `processes`, on this machine; `dask:ADDRESS`, on a scheduler's workers, which see the same paths; `slurm`, the
        share of this process in a job of Slurm, whose processes see the same paths; or `slurm:I/N`, that of process I
        of N.
    workers : int, optional
        Processes of `processes`; by default one for each core.
    on_progress : callable (doing, share) -> None
        Called now and then.

    Returns
    -------
    LongGeneration

    Raises
    ------
    BadInputError
        If something can't be; before anything is generated.
    FailureError
        If a part could not be generated (the others are kept), or the disk refuses.

    Examples
    --------
    >>> import spikeloop
    >>> spikeloop.generate_files("m1-sim", "long.npz", 360_000, sessions=8)  # doctest: +SKIP
    """
    path, seed = checked_path("--out", out), check_seed(seed)
    sessions = checked_whole("--sessions", sessions, 1, MOST_SESSIONS)
    check_seed(seed + sessions - 1)
    checked_choice("--device", device, get_args(Device))
    checked_callable("on_progress", on_progress)
    if condition is not None:
        condition = checked_text("--condition", condition)
    opened, loaded = open_engine(engine, workers), load_bundle(bundle)
    bins = bins_of(duration_s, loaded.card.bin_size_s)
    source = open_source(loaded, seed, device)  # before the work, not after it
    open_offline_drive(condition, loaded.card.channels)
    about = Stretch(
        bundle=str(Path(bundle).resolve() if Path(bundle).exists() else bundle), bundle_sha256=loaded.sha256, seed=seed,
        condition=condition, condition_sha256=condition_sha256(condition), device=device,
        folder=str(path.with_name(f"{path.name}.parts").resolve()), bins=bins, part_bins=_part_bins(source),
        first=0, last=bins,
    )  # fmt: skip
    check_writable(Path(about.folder), folder=True)
    files = []
    for each in range(seed, seed + sessions):
        named = path if sessions == 1 else path.with_stem(f"{path.stem}-{each}")
        check_generated_file(named, bins * len(loaded.card.unit_names))
        files.append(_File(named, loaded, _stretches(replace(about, seed=each), loaded)))
    written = _Run(opened, files, on_progress).run()
    paths = {file.path for file in written}
    return LongGeneration(tuple(written), tuple(file.path for file in files if file.path not in paths))


@dataclass(frozen=True, eq=False)
class _File:
    """A file to write, and what has to be generated for it."""

    path: Path
    bundle: Bundle
    stretches: Sequence[Stretch]

    @property
    def parts(self) -> Parts:
        return self.stretches[0].parts

    def write(self) -> GeneratedFile:
        """Write it, from its parts, which are removed then."""
        about = self.stretches[0]
        source = PartsSource(self.bundle.card, self.parts)
        generation = Generation.of(self.bundle, about.bins, about.seed, about.condition, about.device, source=source)
        spikes = write_generated(self.path, generation, lambda bins: None)
        self.parts.remove()
        shape = (about.bins, len(source.unit_names))
        return GeneratedFile(self.path, about.seed, shape, source.provider, spikes)


def _part_bins(source: Source) -> int:
    """Bins that are kept together: whole runs of the model."""
    runs = max(1, PART_COUNTS // (len(source.unit_names) * source.run_bins))
    return runs * source.run_bins


def _stretches(whole: Stretch, bundle: Bundle) -> Sequence[Stretch]:
    """Cut what a seed generates where workers can begin without what comes before: between windows of the model."""
    source = open_source(bundle, whole.seed, whole.device) if bundle.card.kind == "window" else None
    if not isinstance(source, WindowSource):
        return [whole]
    stretches = []
    for first in whole.firsts:
        last = min(first + whole.part_bins, whole.bins)
        stretches.append(replace(whole, first=first, last=last, begins=source.state.randoms))
        source.skip_runs(whole.part_bins // source.run_bins)
    return stretches


class _Run:
    """Generates what is missing, and writes each file as soon as all of it is there."""

    def __init__(self, engine: Engine, files: Sequence[_File], on_progress: Callable[[str, float], None]) -> None:
        self._engine, self._files, self._on_progress = engine, files, on_progress
        self._doing, self._written = "generating", dict[Path, GeneratedFile]()

    def run(self) -> list[GeneratedFile]:
        stretches = [stretch for file in self._files for stretch in file.stretches]
        tasks = [
            Task(place, f"{stretch.parts.key}-{stretch.first}", str(stretch), stretch.task)
            for place, stretch in enumerate(stretches)
            if not stretch.done
        ]
        failures = list[str]()
        with self._watched():
            if tasks:
                with closing(self._engine.run(run_stretch, tasks)) as answers:
                    for _, answer in answers:
                        if (failure := failure_of(answer)) is not None:
                            failures.append(failure)
                        self._write_whole()
            self._write_whole()
        if failures:
            raise FailureError(
                f"{len(failures)} of {len(stretches)} parts could not be generated: {failures[0]}; what is done is in"
                f" {self._files[0].parts.folder}, and the same call goes on"
            )
        return [self._written[file.path] for file in self._files if file.path in self._written]

    def _write_whole(self) -> None:
        for file in self._files:
            if file.path not in self._written and file.parts.whole:
                self._doing = f"writing {file.path.name}"
                try:
                    self._written[file.path] = file.write()
                except FailureError:
                    if not (isinstance(self._engine, ShareEngine) and file.path.is_file() and not file.parts.whole):
                        raise  # else another process of the job wrote it meanwhile
                self._doing = "generating"

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Look at the parts that are done, now and then, in a thread of its own."""
        ended, total = threading.Event(), sum(file.parts.bins for file in self._files)

        def watch() -> None:
            while not ended.wait(LOOKS_EVERY_S):
                done = [file.parts.bins if file.path in self._written else file.parts.done_bins for file in self._files]
                self._on_progress(self._doing, sum(done) / total)

        thread = threading.Thread(target=watch, name="spikeloop-parts", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
