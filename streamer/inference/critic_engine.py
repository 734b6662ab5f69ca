"""A bundle's critic on ONNX Runtime: the score of windows, and how it changes with rearranged spikes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.exporters.bundle_files import CRITIC_WEIGHTS
from spikeloop.models.errors import BadInputError
from spikeloop.models.importance.effects import Effects
from spikeloop.models.importance.patches import SPAN_BINS, Convolution, cut_patches
from spikeloop.streamer.inference.runtime import Device, Wanted, check_signature, first_line, open_graph
from spikeloop.streamer.inference.session import Session

__all__ = ["Critic"]

WHOLE = ("unit", "first", "patch_unit", "patch_position", "place")  # inputs that are whole numbers
MOST_LAGS, MOST_COUNTS = SPAN_BINS - 1, 2**20  # of effects
SEGMENT_WINDOWS = 256  # whole windows scored together; what fits a core's cache


class Critic:
    """A critic ready to run; a `Critic` of `models.importance.maps`.

    Attributes
    ----------
    window_bins, units, channels : int
        Size of windows, and number of the conditions that the critic needs beside them.
    provider : str
        The ONNX Runtime provider really in use.
    notice : str
        One line for the user where that is not the one asked for; else empty.
    local : bool
        Whether changes are scored by the bins that they reach alone; else by whole windows, which is slower.
    """

    def __init__(self, bundle: Bundle, device: Device = "auto") -> None:
        """Load what the bundle has of a critic.

        Parameters
        ----------
        bundle : Bundle
        device : {"auto", "cpu", "cuda"}

        Raises
        ------
        BadInputError
            If it has none, its files are no critic's, or `cuda` was asked for and is not to be had.
        FailureError
            If ONNX Runtime is not installed.
        """
        card = bundle.card
        if not bundle.critic:
            raise BadInputError(f"{card.name}: {card.family} has no critic; importance needs a family with one (a GAN)")
        self.name, self.window_bins, self.units = card.name, card.window_bins, len(card.unit_names)
        self.channels = len(card.conditions)
        bins, window = self.window_bins, (self.window_bins, self.units)
        given: Wanted = [("windows", ("windows", *window))]
        one: Wanted = [("window", window), *((name, ("changes",)) for name in ("unit", "first"))]
        one = [*one, ("change", ("changes", bins))]
        if self.channels:
            given = [*given, ("conditions", ("windows", bins, self.channels))]
            one = [*one, ("conditions", (bins, self.channels))]
        beside = {CRITIC_WEIGHTS: bundle.critic_weights} if bundle.critic_weights else {}
        score = open_graph(self.name, "critic.onnx", bundle.critic, device, beside)
        self._check("critic.onnx", score.session, given, [("score", ("windows",))])
        self._score, self.provider, self.notice = score
        self._open_changes(bundle.critic_changes, device, one, beside)
        self._open_effects(bundle.critic_effects, device, given, beside)

    def _open_changes(self, content: bytes, device: Device, inputs: Wanted, beside: Mapping[str, bytes]) -> None:
        """Open the graph of changes, if there is one; older ones cut no patches."""
        self.local, self._changes, self._convolution = bool(content), None, None
        if not content:
            return
        file = "critic_changes.onnx"
        self._changes = session = open_graph(self.name, file, content, device, beside).session
        self._convolution = cut = _convolution(session, self.window_bins, f"{self.name}: {file}")
        if cut is not None:
            patches = (cut.stride, "patches")
            inputs = [*inputs, ("patch_unit", patches), ("patch_position", patches), ("patch", (*patches, cut.kernel))]
            inputs = [*inputs, ("place", (cut.span_positions, "changes"))]
        self._check(file, session, inputs, [("changes", ("changes",))])

    def _open_effects(self, content: bytes, device: Device, inputs: Wanted, beside: Mapping[str, bytes]) -> None:
        """Open the graph of effects, if there is one; older ones have those of single spikes alone."""
        self._effects = None
        if not content:
            return
        file = "critic_effects.onnx"
        self._effects = session = open_graph(self.name, file, content, device, beside).session
        found = {output.name: output.shape for output in session.get_outputs()}
        outputs: Wanted = [("effects", ("windows", self.window_bins, self.units))]
        for name, sizes in (("pair_slopes", (MOST_LAGS, self.units)), ("population_scores", (MOST_COUNTS,))):
            if name in found:  # as many lags, or counts, as it says
                shape = found[name]
                size = shape[1] if len(shape) > 1 and isinstance(shape[1], int) else 0
                outputs = [*outputs, (name, ("windows", min(size, sizes[0]), *sizes[1:]))]
        self._check(file, session, inputs, outputs)

    def _check(self, file: str, session: Session, inputs: Wanted, outputs: Wanted) -> None:
        check_signature(self.name, session, inputs, outputs, file, WHOLE)

    @property
    def estimates(self) -> bool:
        """Whether `effects` can be had."""
        return self._effects is not None

    def score(self, windows: NDArray[np.float32], conditions: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Return the scores of windows, larger for windows that are more likely recorded.

        Parameters
        ----------
        windows : array of shape (windows, bins, units), float32
        conditions : array of shape (windows, bins, channels), float32, or None

        Returns
        -------
        array of shape (windows,), float32

        Raises
        ------
        BadInputError
            If shapes are not the critic's, or the critic fails on them.
        """
        scores = [
            self._run(self._score, self._given(windows[segment], _segment(conditions, segment)))[0]
            for segment in _segments(len(windows))
        ]
        return np.concatenate(scores) if scores else np.zeros(0, np.float32)

    def changes(
        self,
        window: NDArray[np.float32],
        unit: NDArray[np.int64],
        first: NDArray[np.int64],
        change: NDArray[np.float32],
        conditions: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Return the scores of a window after each of many changes, less the score before.

        Parameters
        ----------
        window : array of shape (bins, units), float32
        unit, first : arrays of shape (changes,), int64
            The unit, and the first bin of a span of `SPAN_BINS` that holds the change.
        change : array of shape (changes, bins), float32
            Added to the unit's counts; sums to 0.
        conditions : array of shape (bins, channels), float32, or None

        Returns
        -------
        array of shape (changes,), float32
        """
        if self._changes is not None:
            given = {"window": window, "unit": unit, "first": first, "change": change}
            if self._convolution is not None:
                cut = cut_patches(unit, first, change, self._convolution)
                given |= {
                    "patch_unit": cut.unit, "patch_position": cut.position, "patch": cut.values, "place": cut.place
                }  # fmt: skip
            return self._run(self._changes, given | self._conditions(conditions, window.shape[:1]))[0]
        whole = np.repeat(window[np.newaxis], len(unit) + 1, axis=0)
        whole[np.arange(len(unit)), :, unit] += change
        repeated = None if conditions is None else np.repeat(conditions[np.newaxis], len(whole), axis=0)
        scores = self.score(whole, repeated)
        return scores[:-1] - scores[-1]

    def effects(self, windows: NDArray[np.float32], conditions: NDArray[np.float32] | None = None) -> Effects:
        """Return the effects of spikes, and of pairs of them, on the scores of windows.

        Parameters
        ----------
        windows : array of shape (windows, bins, units), float32
        conditions : array of shape (windows, bins, channels), float32, or None

        Returns
        -------
        Effects

        Raises
        ------
        BadInputError
            If the bundle has no graph for it, or shapes are not the critic's.
        """
        if self._effects is None:
            raise BadInputError(
                f"{self.name}: has no critic_effects.onnx, which the method gradient needs; export it anew"
                f" (convolutional critics of at least {SPAN_BINS} bins have it), or use the method exact"
            )
        effects, *others = self._run(self._effects, self._given(windows, conditions))
        if others:
            return Effects(effects, *others)
        return Effects(effects, np.zeros((len(windows), 0, self.units), np.float32), np.zeros((len(windows), 1)))

    def _given(self, windows: NDArray[np.float32], conditions: NDArray[np.float32] | None) -> dict[str, NDArray[Any]]:
        return {"windows": windows} | self._conditions(conditions, windows.shape[:2])

    def _conditions(
        self, conditions: NDArray[np.float32] | None, shape: tuple[int, ...]
    ) -> dict[str, NDArray[np.float32]]:
        """Return the conditions as an input of the graphs; none are never replaced by zeros, which need not be rest."""
        if not self.channels:
            return {}
        if conditions is None or conditions.shape != (*shape, self.channels):
            found = "none" if conditions is None else f"{conditions.shape}"
            raise BadInputError(
                f"{self.name}: its critic judges spikes by what drove them; expected conditions"
                f" {(*shape, self.channels)}, found {found}"
            )
        return {"conditions": conditions}

    def _run(self, session: Session, given: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        try:
            return session.run(None, given)
        except Exception as error:  # ONNX Runtime raises a dozen kinds
            raise BadInputError(f"{self.name}: its critic can't score these windows ({first_line(error)})") from error


def _convolution(session: Session, bins: int, what: str) -> Convolution | None:
    """Read what patches a graph of changes wants; None of an older one."""
    props = session.get_modelmeta().custom_metadata_map
    if "kernel" not in props:
        return None
    try:
        found = Convolution(*(int(props[name]) for name in ("kernel", "stride", "padding")))
    except (KeyError, ValueError):
        found = None
    if found is None or not (0 <= found.padding < found.kernel <= bins and 1 <= found.stride <= bins):
        raise BadInputError(f"{what} says {dict(props)!r:.80}, which is no convolution; export the bundle anew")
    return found


def _segments(number: int) -> list[slice]:
    return [slice(begin, begin + SEGMENT_WINDOWS) for begin in range(0, number, SEGMENT_WINDOWS)]


def _segment(conditions: NDArray[np.float32] | None, segment: slice) -> NDArray[np.float32] | None:
    return None if conditions is None else conditions[segment]
