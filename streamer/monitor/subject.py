"""What a monitor follows: one stream of one bundle, with its reference and its importance maps."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle, bundles, load_bundle
from spikeloop.models.arrays import join_bins
from spikeloop.models.drift.alarm import FALSE_ALARMS_PER_HOUR, DriftReference
from spikeloop.models.errors import BadInputError, FailureError, SpikeloopError
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import join_recorded
from spikeloop.models.recordings.windows import cut_windows
from spikeloop.models.scalars import same_bin_size
from spikeloop.streamer.inference.critic_engine import Critic
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.lsl.condition_tap import ConditionTap
from spikeloop.streamer.lsl.description import StreamDescription
from spikeloop.streamer.monitor.job import Job
from spikeloop.streamer.monitor.kept_references import KeptReferences
from spikeloop.streamer.monitor.live_importance import LiveImportance
from spikeloop.streamer.monitor.pace import Pace
from spikeloop.streamer.monitor.reference import (
    SAMPLE_COUNTS,
    Reference,
    generate_sample,
    refer_to_bundle,
    refer_to_sample,
)
from spikeloop.streamer.monitor.state import Arrived, Monitor

__all__ = ["MonitorSettings", "Subject"]

SOON_S = 60.0  # in which a user expects an alarm
DEFAULT_WINDOW_S = 1.0  # of a stream that has no bundle
LONGEST_WINDOW = 1000  # bins of these


@dataclass(frozen=True)
class MonitorSettings:
    """The settings of a monitor.

    Attributes
    ----------
    half_life_s : float > 0, s
        Half-life of the exponential window.
    false_alarms_per_hour : float > 0
        Of all alarms together.
    reference : str
        "auto" (the bundle's, else the stream's beginning), "bundle", "start", "none", or a recording's name or path.
    baseline_s : float > 0, s
        Length of the stream's beginning that is compared with, where it is.
    bundle : str
        Name or path of the stream's bundle; empty where the stream names one that ships.
    window_bins : int >= 2 or None
        Windows of a stream that has no bundle; None for windows of 1 s.
    importance : bool
        Whether windows are mapped, where the bundle has a critic.
    device : "auto", "cpu" or "cuda"
        Where the critic, and the generator of the reference, run.
    share : float, above 0 to 1
        Of a core that preparing a bundle's reference may take.
    kept : Path or None
        Folder in which references of bundles are kept for later runs; None to prepare each anew.
    """

    half_life_s: float = 60.0
    false_alarms_per_hour: float = FALSE_ALARMS_PER_HOUR
    reference: str = "auto"
    baseline_s: float = 600.0
    bundle: str = ""
    window_bins: int | None = None
    importance: bool = True
    device: Device = "cpu"
    share: float = 1.0
    kept: Path | None = None


class Subject:
    """One population: a stream of one bundle under one condition, through any number of its runs.

    Parameters
    ----------
    description : StreamDescription
    settings : MonitorSettings
    given : Bundle or None
        The bundle that was asked for.
    recording : Recording or None
        The recording that was asked for as reference.
    """

    def __init__(
        self,
        description: StreamDescription,
        settings: MonitorSettings,
        given: Bundle | None,
        recording: Recording | None,
    ) -> None:
        self.description = description
        self._settings, self._recording = settings, recording
        self._found: list[str] = []  # notices that stay
        self._bundle = self._find_bundle(given)
        bins = self._bundle.card.window_bins if self._bundle is not None else settings.window_bins
        if bins is None or bins < 2:
            bins = min(LONGEST_WINDOW, max(2, round(DEFAULT_WINDOW_S / description.bin_size_s)))
        self.monitor = Monitor(description.unit_names, description.bin_size_s, bins, settings.half_life_s)
        self._opened = ExitStack()
        self._preparing: Job | None = None
        self._baseline: list[NDArray[Any]] = []
        self._collects = self._closing = False
        self._tap: ConditionTap | None = None
        self.importance = self._open_importance()
        self._prepare()

    def turn_to(self, description: StreamDescription) -> None:
        """Go on with another run of the same population."""
        self.description = description

    def close(self) -> None:
        self._closing = True
        if self._preparing is not None:
            self._preparing.wait()
        self._opened.close()

    def consume(self, arrived: Arrived) -> None:
        """Pass windows that arrived to the importance maps, and to the baseline while it is collected."""
        if self._tap is not None:
            self._tap.pull()
        if self.importance is not None and len(arrived.windows):
            self._map(self.importance, arrived)
        if self._collects and len(arrived.windows):
            self._baseline.append(join_bins(arrived.windows))
            if self._baseline_s() >= self._settings.baseline_s or self._baseline_counts() >= SAMPLE_COUNTS:
                self._collects = False
                sample = np.concatenate(self._baseline)
                self._baseline.clear()
                self._preparing = Job(lambda: self._refer_to_start(sample))
        if self._preparing is not None and self._preparing.done():
            done, self._preparing = self._preparing, None
            try:
                self.monitor.compare_with(done.result())
            except Exception as error:  # of any kind: the statistics go on without
                self._found.append(f"no reference: {error}")

    def not_compared(self, no_counts: bool = False) -> str:
        """Say in a few words why E/F is not known yet; empty where nothing stands against it.

        Parameters
        ----------
        no_counts : bool
            Whether what comes is no spike counts, so that no beginning is collected.
        """
        if self._preparing is not None:
            return "the reference is being prepared"
        if self._collects:
            return "no whole counts" if no_counts else f"its beginning is collected: {self._left_s():.0f} s to go"
        if self.monitor.reference is None:
            return next((found for found in self._found if found.startswith("no reference")), "no reference")
        return ""

    def notices(self, no_counts: bool = False) -> tuple[str, ...]:
        """Describe what is missing and why, and what is still being prepared; parameters as of `not_compared`."""
        now = []
        if self._preparing is not None:
            now.append("the reference and its alarm are being prepared")
        if self._collects and no_counts:
            now.append("nothing to compare with: the stream's beginning is collected once it has whole counts")
        elif self._collects:
            now.append(f"the stream's beginning is collected to compare with: {self._left_s():.0f} s to go")
        reference = self.monitor.reference
        if reference is not None and reference.drift is not None:
            now.extend(_blind_spots(reference.drift))
        if reference is not None and reference.notice:
            now.append(f"no alarm: {reference.notice}")
        if self.importance is not None and self.importance.failure is not None:
            now.append(f"no importance: {self.importance.failure}")
        return (*self._found, *now)

    def _baseline_s(self) -> float:
        return sum(map(len, self._baseline)) * self.description.bin_size_s

    def _left_s(self) -> float:
        return max(0.0, self._settings.baseline_s - self._baseline_s())

    def _baseline_counts(self) -> int:
        return sum(segment.size for segment in self._baseline)

    def _find_bundle(self, bundle: Bundle | None) -> Bundle | None:
        """The stream's bundle where it is at hand, given or one that ships, and fits the stream; else a notice."""
        stream = self.description
        if bundle is not None:
            if stream.sha256 not in (None, bundle.sha256):
                self._found.append(f"the stream's bundle {stream.bundle!r} is not the one of --bundle")
        elif stream.bundle in bundles():
            bundle = load_bundle(stream.bundle)
            if bundle.sha256 != stream.sha256:
                self._found.append(
                    f"the stream's bundle {stream.bundle!r} is not the one that ships; give --bundle PATH"
                )
                return None
        elif stream.bundle is not None:
            self._found.append(f"the stream's bundle {stream.bundle!r} is not at hand; give --bundle PATH")
        misfit = None if bundle is None else _misfit(bundle, stream)
        if misfit:
            self._found.append(f"{misfit}: not compared")
        return None if misfit else bundle

    def _open_importance(self) -> LiveImportance | None:
        if self._bundle is None or not self._settings.importance or not self._bundle.critic:
            return None
        card = self._bundle.card
        try:
            critic = Critic(self._bundle, self._settings.device)
        except SpikeloopError as error:
            self._found.append(f"no importance: {error}")
            return None
        if card.conditions:
            tap = ConditionTap(self.description.name, len(card.conditions), card.bin_size_s)
            self._tap = self._opened.enter_context(tap)
        return self._opened.enter_context(LiveImportance(critic, len(card.unit_names)))

    def _map(self, importance: LiveImportance, arrived: Arrived) -> None:
        if self._tap is None:
            importance.offer(arrived.windows)
            return
        for window, ends_s in zip(arrived.windows, arrived.ends_s, strict=True):
            conditions = self._tap.at(ends_s)
            if conditions is None:
                importance.skip()
            else:
                importance.offer(window[np.newaxis], conditions[np.newaxis])

    def _prepare(self) -> None:
        """Start on the reference: now, or when enough of the stream's beginning has arrived."""
        asked, bundle = self._settings.reference, self._bundle
        if self._recording is not None:
            recording = self._recording
            self._preparing = Job(lambda: self._refer_to_recording(recording))
        elif asked in ("auto", "bundle") and bundle is not None:
            self._preparing = Job(lambda: self._refer_to_own(bundle))
        elif asked == "bundle":
            self._found.append("no reference: the stream has no bundle at hand")
        elif asked != "none":
            self._collects = True

    def _refer_to_own(self, bundle: Bundle) -> Reference:
        settings, condition = self._settings, self.description.condition
        kept = None if settings.kept is None else KeptReferences(settings.kept)
        half_life, false_alarms = self.monitor.half_life_windows, settings.false_alarms_per_hour
        facts = version("spikeloop"), bundle.sha256, condition, half_life, false_alarms, settings.device
        if kept is not None and (found := kept.find(*facts)) is not None:
            return found
        pace = Pace(settings.share)
        sample = generate_sample(bundle, condition, settings.device, lambda: self._rested(pace))
        if self._closing:
            raise FailureError("the monitor ended")
        if sample is None:  # driven by what only the stream knows: chance and alarm are set by its beginning
            self._collects = True
        reference = refer_to_bundle(bundle, sample, half_life, false_alarms, lambda: self._rest(pace))
        if kept is not None and sample is not None:
            kept.keep(reference, *facts)
        return reference

    def _rested(self, pace: Pace) -> bool:
        """Rest; returns whether the monitor ends."""
        pace.rest()
        return self._closing

    def _rest(self, pace: Pace) -> None:
        if self._rested(pace):
            raise FailureError("the monitor ended")

    def _refer_to_start(self, sample: NDArray[Any]) -> Reference:
        settings, half_life = self._settings, self.monitor.half_life_windows
        if self._bundle is not None and settings.reference != "start":
            return refer_to_bundle(self._bundle, sample, half_life, settings.false_alarms_per_hour)
        source = f"the stream's first {len(sample) * self.description.bin_size_s:g} s"
        return refer_to_sample(
            source, sample, self.description.bin_size_s, self.monitor.window_bins, half_life,
            settings.false_alarms_per_hour,
        )  # fmt: skip

    def _refer_to_recording(self, recording: Recording) -> Reference:
        units, bin_size_s = len(self.description.unit_names), self.description.bin_size_s
        if recording.units != units or not same_bin_size(recording.bin_size_s, bin_size_s):
            raise BadInputError(
                f"{recording.name}: expected {units} units and bins of {bin_size_s * 1000:g} ms, as streamed, found"
                f" {recording.units} and {recording.bin_size_s * 1000:g} ms"
            )
        sample = join_recorded(recording.counts, recording.lengths)
        windows = cut_windows(recording, self.monitor.window_bins)
        return refer_to_sample(
            recording.name, sample, bin_size_s, self.monitor.window_bins, self.monitor.half_life_windows,
            self._settings.false_alarms_per_hour, windows,
        )  # fmt: skip


def _misfit(bundle: Bundle, stream: StreamDescription) -> str:
    """Why a bundle can't be that of a stream; empty where it can."""
    card = bundle.card
    if len(card.unit_names) != len(stream.unit_names):
        return f"{card.name} has {len(card.unit_names)} units, the stream {len(stream.unit_names)}"
    if not same_bin_size(card.bin_size_s, stream.bin_size_s):
        return f"{card.name} has bins of {card.bin_size_s * 1e3:g} ms, the stream of {stream.bin_size_s * 1e3:g} ms"
    return ""


def _blind_spots(drift: DriftReference) -> Iterator[str]:
    """Notices of units whose drift raises no alarm, or a late one, since they fire too rarely."""
    if drift.rare:
        yield f"{len(drift.rare)} units fire so rarely that no alarm is raised but that their rate is up"
    late = {kind: set(units).difference(drift.rare) for kind, units in drift.late(SOON_S).items()}
    if slow := late["unit lost"] | late["rate up"]:
        yield f"{len(slow)} units fire so rarely that an alarm may take more than {SOON_S:g} s"
    if halved := late["rate down"] - slow:
        yield f"{len(halved)} units fire so rarely that the alarm of a halved rate may take more than {SOON_S:g} s"
