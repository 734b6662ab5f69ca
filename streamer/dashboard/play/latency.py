"""How long it takes from a hand's movement, by the spikes that it shaped, to the cursor on the screen: by stage."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import is_number

__all__ = ["STAGES", "AimSeen", "AimTimes", "StageTimes"]

STAGES = {  # between two moments of `AimSeen` and what the page adds; by their names
    "hand": "from the pointer's event to the server",
    "population": "from there to the end of the first bin that it drove, when the spikes go out",
    "decoder": "from the bin's end, by LSL, to the cursor's new place",
    "network": "from there to the page",
    "screen": "from there to the frame after the cursor was drawn",
    "total": "all of it",
}
MOST_PENDING, MOST_DECODED = 256, 1024
GIVEN_UP_S = 5.0
LONGEST_S = 10.0
MOST_SAMPLES = 20_000


@dataclass(frozen=True)
class AimSeen:
    """An aim whose spikes were decoded; times on the server's clock, s.

    Attributes
    ----------
    number : int
        As the page counts its aims.
    player : int
        Number of the page.
    received_s : float
    bin : int
        The first that it drove.
    end_s : float
        When that bin ended.
    decoded_s : float
        When the cursor had moved by it.
    """

    number: int
    player: int
    received_s: float
    bin: int
    end_s: float
    decoded_s: float


class AimTimes:
    """Finds the bins that aims drove, by the conditions that come back from the stream."""

    def __init__(self) -> None:
        self._pending: deque[tuple[int, int, float, NDArray[np.float32]]] = deque(maxlen=MOST_PENDING)
        self._decoded: dict[int, float] = {}
        self._drove: list[tuple[tuple[int, int, float], int, float]] = []  # bins that are not decoded yet
        self._latest: NDArray[np.float32] | None = None

    def aimed(self, number: int, player: int, received_s: float, conditions: NDArray[np.float32]) -> None:
        """Note an aim, and what it drives the population by; one like the one before can't be distinguished from it."""
        if self._latest is None or not np.array_equal(conditions, self._latest):
            self._pending.append((number, player, received_s, conditions))
        self._latest = conditions

    def decoded(self, bin: int, now_s: float) -> None:
        """Note when the cursor had moved by a bin."""
        self._decoded[bin] = now_s
        while len(self._decoded) > MOST_DECODED:
            del self._decoded[next(iter(self._decoded))]

    def drove(self, first_bin: int, ends_s: Floats, conditions: NDArray[np.float32]) -> list[AimSeen]:
        """Return the aims by which these bins, from a number on, were the first to be driven."""
        for place, (end_s, values) in enumerate(zip(ends_s.tolist(), conditions, strict=True)):
            found = next((aim for aim in self._pending if end_s > aim[2] and np.array_equal(values, aim[3])), None)
            if found is None:
                continue
            while self._pending and self._pending.popleft() is not found:
                pass  # earlier ones gave way to it before a bin began
            self._drove.append((found[:3], first_bin + place, end_s))
        while self._pending and len(ends_s) and ends_s[-1] - self._pending[0][2] > GIVEN_UP_S:
            self._pending.popleft()
        ready = [(aim, bin, end_s) for aim, bin, end_s in self._drove if bin in self._decoded]
        self._drove = [waiting for waiting in self._drove if waiting[1] not in self._decoded][-MOST_PENDING:]
        return [AimSeen(*aim, bin, end_s, self._decoded[bin]) for aim, bin, end_s in ready]


class StageTimes:
    """Durations of the stages, as pages completed them.

    Attributes
    ----------
    added : int
        Samples so far, those too that were forgotten since.
    """

    def __init__(self) -> None:
        self._seen: dict[int, AimSeen] = {}
        self._samples: deque[tuple[float, ...]] = deque(maxlen=MOST_SAMPLES)
        self.added = 0

    def __len__(self) -> int:
        return len(self._samples)

    def expect(self, aim: AimSeen) -> None:
        """Have the page of this aim complete it later."""
        self._seen[aim.number] = aim
        while len(self._seen) > MOST_PENDING:
            del self._seen[next(iter(self._seen))]

    def complete(self, player: int, samples: Any) -> None:
        """Add what a page measured, [aim's number, event, arrival, frame] each; s, on the server's clock.

        Raises
        ------
        BadInputError
            If it is none of that.
        """
        if not (isinstance(samples, list) and all(map(_is_sample, samples))):
            raise BadInputError(f"samples: expected lists of four numbers, found {samples!r:.60}")
        for number, event_s, arrived_s, shown_s in samples:
            aim = self._seen.get(number)
            if aim is None or aim.player != player:
                continue
            del self._seen[number]
            moments = (event_s, aim.received_s, aim.end_s, aim.decoded_s, arrived_s, shown_s)
            stages = (*np.diff(moments).tolist(), shown_s - event_s)
            if all(-LONGEST_S < stage < LONGEST_S for stage in stages):
                self._samples.append(stages)
                self.added += 1

    def since(self, first: int) -> dict[str, Floats]:
        """Return the durations of each stage, s, of those samples that were added after the first so many."""
        forgotten = self.added - len(self)
        samples = np.array(self._samples, float).reshape(-1, len(STAGES))[max(0, first - forgotten) :]
        return dict(zip(STAGES, samples.T.copy(), strict=True))

    def document(self) -> dict[str, Any]:
        """Return what is measured so far: the number of samples, and of each stage p50 and p99, ms."""
        stages = {
            stage: {
                "about": STAGES[stage],
                "p50_ms": 1000 * float(np.quantile(values, 0.5)) if len(values) else math.nan,
                "p99_ms": 1000 * float(np.quantile(values, 0.99)) if len(values) else math.nan,
            }
            for stage, values in self.since(0).items()
        }
        return {"samples": len(self), "stages": stages}


def _is_sample(sample: Any) -> bool:
    return isinstance(sample, list) and len(sample) == 4 and all(is_number(v) and math.isfinite(v) for v in sample)
