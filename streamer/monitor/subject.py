"""What is monitored: one stream of one bundle, with all that runs beside it: its reference, its importance maps."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle, read_bundle, shipped_bundles
from spikeloop.models.errors import BadInputError, FailureError, SpikeloopError
from spikeloop.models.measures.drift import FALSE_ALARMS_PER_HOUR, DriftReference
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.windows import cut_windows
from spikeloop.streamer.critic import Critic
from spikeloop.streamer.monitor.condition_tap import ConditionTap
from spikeloop.streamer.monitor.live_importance import LiveImportance
from spikeloop.streamer.monitor.monitor import Arrived, Monitor
from spikeloop.streamer.monitor.reference import (
    REHEARSED_COUNTS,
    Reference,
    refer_to_bundle,
    refer_to_sample,
    rehearse,
)
from spikeloop.streamer.session import Device
from spikeloop.streamer.stream_description import StreamDescription

__all__ = ["MonitorSettings", "Subject"]

ENDS_WITHIN_S = 1.0  # what is prepared: rehearsal stops at once, and the rest is not worth waiting for
SOON_S = 60.0  # in which a user expects an alarm
DEFAULT_WINDOW_S = 1.0  # of a stream that has no bundle
LONGEST_WINDOW = 1000  # bins of these


@dataclass(frozen=True)
class MonitorSettings:
    """What is asked of a monitor.

    Attributes
    ----------
    half_life_s : of the exponential window
    false_alarms_per_hour : of all alarms together
    reference : "auto" (the bundle's, else the stream's beginning), "bundle", "start", "none", or a recording's name or
        path
    baseline_s : how long the stream's beginning is, where it is compared with that
    bundle : name or path, where the stream doesn't tell or it isn't one that ships; else empty
    window_bins : of a stream that has no bundle; None for a second's
    importance : whether windows are mapped, where there is a critic
    """

    half_life_s: float = 60.0
    false_alarms_per_hour: float = FALSE_ALARMS_PER_HOUR
    reference: str = "auto"
    baseline_s: float = 600.0
    bundle: str = ""
    window_bins: int | None = None
    importance: bool = True
    device: Device = "cpu"


class Subject:
    """One stream of one bundle, driven in one way, under whatever runs.

    Parameters
    ----------
    given, recording : the bundle and the recording that were asked for
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
        self._preparing: _Job | None = None
        self._baseline: list[NDArray[Any]] = []
        self._collects = self._closing = False
        self._tap: ConditionTap | None = None
        self.importance = self._open_importance()
        self._prepare()

    def turn_to(self, description: StreamDescription) -> None:
        """The stream as it is now: perhaps another run, of the same population."""
        if self._tap is not None and description.uid != self.description.uid:
            self._tap.renew()
        self.description = description

    def close(self) -> None:
        self._closing = True
        if self._preparing is not None:
            self._preparing.wait()
        self._opened.close()

    def take(self, arrived: Arrived) -> None:
        """Windows that arrived: to the importance maps, and to the baseline while that is collected."""
        if self._tap is not None:
            self._tap.take()
        if self.importance is not None and len(arrived.windows):
            self._map(self.importance, arrived)
        if self._collects and len(arrived.windows):
            self._baseline.append(arrived.windows.reshape(-1, arrived.windows.shape[2]))
            if self._baseline_s() >= self._settings.baseline_s or self._baseline_counts() >= REHEARSED_COUNTS:
                self._collects = False
                sample = np.concatenate(self._baseline)
                self._baseline.clear()
                self._preparing = _Job(lambda: self._refer_to_start(sample))
        if self._preparing is not None and self._preparing.done():
            done, self._preparing = self._preparing, None
            try:
                self.monitor.compare_with(done.result())
            except Exception as error:  # of any kind: the statistics go on without
                self._found.append(f"no reference: {error}")

    def notices(self) -> tuple[str, ...]:
        """What is not to be had, and why; what is under way."""
        now = []
        if self._preparing is not None:
            now.append("the reference and its alarm are being prepared")
        if self._collects:
            left_s = max(0.0, self._settings.baseline_s - self._baseline_s())
            now.append(f"the stream's beginning is collected to compare with: {left_s:.0f} s to go")
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

    def _baseline_counts(self) -> int:
        return sum(piece.size for piece in self._baseline)

    def _find_bundle(self, bundle: Bundle | None) -> Bundle | None:
        """The stream's bundle where it is at hand: given, or one that ships, by its hash."""
        told = self.description
        if bundle is not None:
            if told.sha256 not in (None, bundle.sha256):
                self._found.append(f"the stream's bundle {told.bundle!r} is not the one of --bundle")
        elif told.bundle in shipped_bundles():
            bundle = read_bundle(told.bundle)
            if bundle.sha256 != told.sha256:
                self._found.append(f"the stream's bundle {told.bundle!r} is not the one that ships; give --bundle PATH")
                return None
        else:
            if told.bundle is not None:
                self._found.append(f"the stream's bundle {told.bundle!r} is not at hand; give --bundle PATH")
            return None
        if len(bundle.card.unit_names) != len(told.unit_names):
            self._found.append(
                f"{bundle.card.name} has {len(bundle.card.unit_names)} units, the stream {len(told.unit_names)}: not"
                " compared"
            )
            return None
        if not math.isclose(bundle.card.bin_size_s, told.bin_size_s, rel_tol=1e-6):
            self._found.append(
                f"{bundle.card.name} has bins of {bundle.card.bin_size_s * 1000:g} ms, the stream of"
                f" {told.bin_size_s * 1000:g} ms: not compared"
            )
            return None
        return bundle

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
        """Begin with the reference: at once where it is at hand, else when the stream's beginning is there."""
        asked, bundle = self._settings.reference, self._bundle
        if self._recording is not None:
            recording = self._recording
            self._preparing = _Job(lambda: self._refer_to_recording(recording))
        elif asked in ("auto", "bundle") and bundle is not None:
            self._preparing = _Job(lambda: self._refer_to_own(bundle))
        elif asked == "bundle":
            self._found.append("no reference: the stream has no bundle at hand")
        elif asked != "none":
            self._collects = True

    def _refer_to_own(self, bundle: Bundle) -> Reference:
        sample = rehearse(bundle, self.description.condition, self._settings.device, lambda: self._closing)
        if self._closing:
            raise FailureError("the monitor ended")
        if sample is None:  # driven by what only the stream knows: chance and alarm are set by its beginning
            self._collects = True
        return refer_to_bundle(bundle, sample, self.monitor.half_life_windows, self._settings.false_alarms_per_hour)

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
        if recording.units != units or not math.isclose(recording.bin_size_s, bin_size_s, rel_tol=1e-6):
            raise BadInputError(
                f"{recording.name}: expected {units} units and bins of {bin_size_s * 1000:g} ms, as streamed, found"
                f" {recording.units} and {recording.bin_size_s * 1000:g} ms"
            )
        sample, windows = recording.counts.reshape(-1, units), cut_windows(recording, self.monitor.window_bins)
        return refer_to_sample(
            recording.name, sample, bin_size_s, self.monitor.window_bins, self.monitor.half_life_windows,
            self._settings.false_alarms_per_hour, windows,
        )  # fmt: skip


def _blind_spots(drift: DriftReference) -> Iterator[str]:
    """Units whose drift the alarm won't tell, or not soon, since they fire too rarely."""
    if drift.unwatched:
        yield f"{len(drift.unwatched)} units fire too rarely to be watched for drift"
    late = drift.late(SOON_S)
    slow = sorted({unit for units in late.values() for unit in units} - set(drift.unwatched))
    if slow:
        yield f"{len(slow)} units fire so rarely that an alarm may take more than {SOON_S:g} s"


class _Job:
    """What takes seconds, in a thread of its own, for which nobody waits long at the end."""

    def __init__(self, work: Callable[[], Reference]) -> None:
        self._result: Reference | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._do, args=(work,), name="spikeloop-reference", daemon=True)
        self._thread.start()

    def done(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> None:
        self._thread.join(ENDS_WITHIN_S)

    def result(self) -> Reference:
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def _do(self, work: Callable[[], Reference]) -> None:
        try:
            self._result = work()
        except Exception as error:  # raised where it is asked for
            self._error = error
