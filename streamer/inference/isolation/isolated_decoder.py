"""A user's own decoder, opened in a process of its own, or in this one where that is asked for."""

import json
import logging
import pickle
import time
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.decoder import Decoder, DecoderStatus, ReportingDecoder
from spikeloop.models.decoders.history import HISTORY_S, with_history
from spikeloop.models.decoders.spec import KINDS, DecoderSpec
from spikeloop.models.decoders.step_spikes import StepSpikes
from spikeloop.models.errors import BadInputError, FailureError, in_one_line
from spikeloop.streamer.inference.isolation.limits import DecoderLimits
from spikeloop.streamer.inference.isolation.messages import AnswerKind
from spikeloop.streamer.inference.isolation.process import OwnProcess
from spikeloop.streamer.inference.open_decoder import open_decoder

__all__ = ["DecoderHost", "FailedDecoder", "IsolatedDecoder", "pickled_for_another", "runs_foreign_code"]

OWN_KINDS = ("recurrent",)  # of those that the streamer opens
PACE_STEPS = 50  # over which a decoder is found to be slow
LOG = logging.getLogger(__name__)


class DecoderHost:
    """Where a decoder lives, from entering to leaving the context: a process of its own if it runs foreign code.

        with DecoderHost(parse_decoder("python:mine.py:Mine")) as host:
            decoder = host.open(units=96, bin_size_s=0.02, seed=0)

    The process starts with the first decoder that is opened; each that is opened replaces the one before.

    Parameters
    ----------
    spec : DecoderSpec
    limits : DecoderLimits, default DecoderLimits()
    in_process : bool, default False
        Whether it lives in this process, whatever it runs.
    history_s : float > 0, s, default 0.2
        How far back it looks, where it looks back and has no number of bins of its own.
    """

    def __init__(
        self,
        spec: DecoderSpec,
        limits: DecoderLimits | None = None,
        in_process: bool = False,
        history_s: float = HISTORY_S,
    ) -> None:
        self._spec, self._limits, self._history_s = spec, limits or DecoderLimits(), history_s
        self._isolated = not in_process and runs_foreign_code(spec) and _pickled(spec) is not None
        self._process: OwnProcess | None = None
        self._latest: IsolatedDecoder | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def open(self, *, units: int, bin_size_s: float, seed: int) -> Decoder:
        """Make a decoder, not yet fitted; parameters and errors are those of `open_decoder`.

        Raises
        ------
        FailureError
            Also if its process fails, or takes too long to load it.
        """
        stream: dict[str, Any] = {"units": units, "bin_size_s": bin_size_s, "seed": seed}
        spec = with_history(self._spec, self._history_s, bin_size_s)
        if not self._isolated:
            return open_decoder(spec, **stream)
        if self._process is not None and self._process.failure is not None:
            self._close()
        if self._process is None:
            self._process = OwnProcess(self._spec.name, self._limits)
        if self._latest is not None:
            self._latest.replaced = True
        answer = self._process.ask("open", (_pickled(spec), *stream.values()), self._limits.open_s)
        content = answer.content.decode(errors="replace")
        if answer.kind is AnswerKind.NOT_LOADED:
            LOG.warning("%s runs in this process, as another can't load it (%s)", self._spec.name, content)
            self._isolated = False
            self._close()
            return open_decoder(spec, **stream)
        _raise_if_failed(answer.kind, content)
        self._latest = IsolatedDecoder(self._process, self._limits, _status(self._spec.name, content))
        return self._latest

    def _close(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None


class IsolatedDecoder(ReportingDecoder):
    """A decoder in a process of its own.

    Parameters
    ----------
    process : OwnProcess
        In which it was opened.
    limits : DecoderLimits
    status : DecoderStatus
        That of the decoder there.

    Attributes
    ----------
    replaced : bool
        Whether another was opened in its process; then it can't be used any more.
    """

    def __init__(self, process: OwnProcess, limits: DecoderLimits, status: DecoderStatus) -> None:
        self._process, self._limits, self._status = process, limits, status
        self.replaced = False
        self._columns = 2  # of a velocity, should it need no fit
        self._steps, self._took_s = 0, 0.0

    @property
    def status(self) -> DecoderStatus:
        """That of the decoder there, when it was opened."""
        return self._status

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Fit the decoder there.

        Raises
        ------
        BadInputError, FailureError
            As of the decoder; FailureError also if its process fails.
        """
        self._columns = kinematics.shape[1]
        self._call("fit", (counts, kinematics), self._limits.fit_s)

    def step(self, counts: Counts) -> Floats:
        """Decode the velocity (columns,) of the next bin there.

        Raises
        ------
        BadInputError, FailureError
            As of `fit`.
        """
        return self._timed_step("step", counts)

    def step_spikes(self, spikes: StepSpikes) -> Floats:
        """Decode the next bin there from its spikes, where the status says `events`; errors as of `step`."""
        return self._timed_step("step_spikes", spikes)

    def _timed_step(self, method: str, given: Counts | StepSpikes) -> Floats:
        began_s = time.perf_counter()
        velocity = self._call(method, (given,), self._limits.step_s)
        self._keep_pace(time.perf_counter() - began_s)
        return velocity

    def _call(self, method: str, arguments: tuple[Any, ...], within_s: float) -> Floats:
        """Call a method of the decoder there; return the numbers (columns,) that it gives, or none."""
        if self.replaced:
            raise BadInputError(f"expected the decoder that was opened last in its process, found {method} of another")
        answer = self._process.ask(method, arguments, within_s)
        if answer.kind is AnswerKind.DONE:
            return np.zeros(0)
        if answer.kind is AnswerKind.NUMBERS and len(answer.content) == 8 * self._columns:
            return np.frombuffer(answer.content, "<f8").astype(np.float64)
        _raise_if_failed(answer.kind, answer.content.decode(errors="replace"))
        raise FailureError(f"{method} gave {len(answer.content) // 8} numbers, expected {self._columns}")

    def _keep_pace(self, took_s: float) -> None:
        self._steps, self._took_s = self._steps + 1, self._took_s + took_s
        if self._steps == PACE_STEPS:
            if self._took_s > PACE_STEPS * self._limits.slow_s:
                raise self._process.slow(self._limits.slow_s)
            self._steps, self._took_s = 0, 0.0


class FailedDecoder:
    """In place of a decoder that could not be opened: every use of it fails for the same reason.

    Parameters
    ----------
    failure : FailureError
    """

    def __init__(self, failure: FailureError) -> None:
        self.failure = failure

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:  # noqa: ARG002
        """Raise the failure."""
        raise self.failure

    def step(self, counts: Counts) -> Floats:  # noqa: ARG002
        """Raise the failure."""
        raise self.failure


def runs_foreign_code(spec: DecoderSpec) -> bool:
    """Whether a decoder is of the user's own: any that isn't this package's, and isn't a process already."""
    kind = KINDS.get(spec.kind)
    own = spec.kind in OWN_KINDS or (kind is not None and kind.make is not None)
    return spec.runs_in == "any" and not own


def _pickled(spec: DecoderSpec) -> bytes | None:
    return pickled_for_another(spec.name, spec, by_text=spec.factory is None)


def pickled_for_another(name: str, wanted: Any, by_text: bool = False) -> bytes | None:
    """Pickle for another process; None of what another can't have: a function within a function, a class of the script.

    Parameters
    ----------
    name : str
        For the log.
    wanted : object
    by_text : bool, default False
        Whether no class of the caller's own is in it.
    """
    try:
        pickled = pickle.dumps(wanted, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # whatever an object's own methods raise
        LOG.info("%s runs in this process, as it can't be pickled (%s)", name, error)
        return None
    return pickled if by_text or b"__main__" not in pickled else None


def _status(name: str, content: str) -> DecoderStatus:
    try:
        return DecoderStatus(**json.loads(content))
    except (ValueError, TypeError) as error:
        raise FailureError(f"--decoder {name}: sent something else than an answer ({in_one_line(error)})") from error


def _raise_if_failed(kind: AnswerKind, message: str) -> None:
    if kind is AnswerKind.BAD_INPUT:
        raise BadInputError(message)
    if kind is AnswerKind.FAILURE:
        raise FailureError(message)
