"""Stream realistic population spikes, learned from recordings, over Lab Streaming Layer.

Every public name is imported when it is first used, so that `import spikeloop` stays quick. To add one, write a line
in `PLACES` and the same import under `TYPE_CHECKING`, for editors and type checkers; a test compares the two.
"""

import logging
from importlib import import_module

TYPE_CHECKING = False  # as in typing, whose import would take as long as the rest of this file
if TYPE_CHECKING:
    from typing import Any

    from spikeloop.exporters.bundle import Bundle as Bundle
    from spikeloop.exporters.bundle import bundles as bundles
    from spikeloop.exporters.bundle import load_bundle as load_bundle
    from spikeloop.exporters.formats.read import read_recording as read_recording
    from spikeloop.exporters.formats.write import write_recording as write_recording
    from spikeloop.exporters.remote.offers import remote_bundles as remote_bundles
    from spikeloop.exporters.remote.pull import pull as pull
    from spikeloop.exporters.remote.push import push as push
    from spikeloop.exporters.signing import new_signing_key as new_signing_key
    from spikeloop.exporters.signing import sign_bundle as sign_bundle
    from spikeloop.models.errors import BadInputError as BadInputError
    from spikeloop.models.errors import FailureError as FailureError
    from spikeloop.models.errors import SpikeloopError as SpikeloopError
    from spikeloop.models.recordings.recording import Recording as Recording
    from spikeloop.models.sorting.score import SortingScore as SortingScore
    from spikeloop.streamer.broadband.read_broadband import read_broadband as read_broadband
    from spikeloop.streamer.capture.record.outputs import finish_recording as finish_recording
    from spikeloop.streamer.capture.record.record import record as record
    from spikeloop.streamer.capture.record.report import RecordReport as RecordReport
    from spikeloop.streamer.capture.replay.report import ReplayReport as ReplayReport
    from spikeloop.streamer.capture.verify.verification import Verification as Verification
    from spikeloop.streamer.capture.verify.verify import verify as verify
    from spikeloop.streamer.closedloop.background import start_closed_loop as start_closed_loop
    from spikeloop.streamer.closedloop.closed_loop import closed_loop as closed_loop
    from spikeloop.streamer.closedloop.days.closed_loop_days import closed_loop_days as closed_loop_days
    from spikeloop.streamer.closedloop.days.profiles import DriftProfile as DriftProfile
    from spikeloop.streamer.closedloop.sweep.sweep import SweepResult as SweepResult
    from spikeloop.streamer.closedloop.sweep.sweep import sweep as sweep
    from spikeloop.streamer.dashboard.web import web as web
    from spikeloop.streamer.inference.isolation.limits import DecoderLimits as DecoderLimits
    from spikeloop.streamer.launch.async_stream import open_stream as open_stream
    from spikeloop.streamer.launch.background import stream as stream
    from spikeloop.streamer.launch.compare_decoders import compare_decoders as compare_decoders
    from spikeloop.streamer.launch.decode_sweep.decode_sweep import DecodeSweepResult as DecodeSweepResult
    from spikeloop.streamer.launch.decode_sweep.decode_sweep import decode_sweep as decode_sweep
    from spikeloop.streamer.launch.evaluate import EvaluationReport as EvaluationReport
    from spikeloop.streamer.launch.evaluate import evaluate as evaluate
    from spikeloop.streamer.launch.generate import generate as generate
    from spikeloop.streamer.launch.long_generation.generate_files import generate_files as generate_files
    from spikeloop.streamer.launch.population import Population as Population
    from spikeloop.streamer.launch.replay import replay as replay
    from spikeloop.streamer.launch.report import StreamReport as StreamReport
    from spikeloop.streamer.launch.score_sorting import score_sorting as score_sorting
    from spikeloop.streamer.launch.train import train as train
    from spikeloop.streamer.launch.trained_model import TrainedModel as TrainedModel
    from spikeloop.streamer.launch.write_falcon import write_falcon as write_falcon

    __version__: str

PLACES = {  # public name -> the module that defines it
    "BadInputError": "spikeloop.models.errors",
    "Bundle": "spikeloop.exporters.bundle",
    "bundles": "spikeloop.exporters.bundle",
    "evaluate": "spikeloop.streamer.launch.evaluate",
    "EvaluationReport": "spikeloop.streamer.launch.evaluate",
    "FailureError": "spikeloop.models.errors",
    "finish_recording": "spikeloop.streamer.capture.record.outputs",
    "generate": "spikeloop.streamer.launch.generate",
    "generate_files": "spikeloop.streamer.launch.long_generation.generate_files",
    "load_bundle": "spikeloop.exporters.bundle",
    "new_signing_key": "spikeloop.exporters.signing",
    "open_stream": "spikeloop.streamer.launch.async_stream",
    "Population": "spikeloop.streamer.launch.population",
    "pull": "spikeloop.exporters.remote.pull",
    "push": "spikeloop.exporters.remote.push",
    "read_broadband": "spikeloop.streamer.broadband.read_broadband",
    "read_recording": "spikeloop.exporters.formats.read",
    "record": "spikeloop.streamer.capture.record.record",
    "RecordReport": "spikeloop.streamer.capture.record.report",
    "Recording": "spikeloop.models.recordings.recording",
    "remote_bundles": "spikeloop.exporters.remote.offers",
    "replay": "spikeloop.streamer.launch.replay",
    "ReplayReport": "spikeloop.streamer.capture.replay.report",
    "score_sorting": "spikeloop.streamer.launch.score_sorting",
    "sign_bundle": "spikeloop.exporters.signing",
    "SortingScore": "spikeloop.models.sorting.score",
    "SpikeloopError": "spikeloop.models.errors",
    "stream": "spikeloop.streamer.launch.background",
    "StreamReport": "spikeloop.streamer.launch.report",
    "train": "spikeloop.streamer.launch.train",
    "TrainedModel": "spikeloop.streamer.launch.trained_model",
    "Verification": "spikeloop.streamer.capture.verify.verification",
    "verify": "spikeloop.streamer.capture.verify.verify",
    "web": "spikeloop.streamer.dashboard.web",
    "write_falcon": "spikeloop.streamer.launch.write_falcon",
    "write_recording": "spikeloop.exporters.formats.write",
    "closed_loop": "spikeloop.streamer.closedloop.closed_loop",
    "closed_loop_days": "spikeloop.streamer.closedloop.days.closed_loop_days",
    "DriftProfile": "spikeloop.streamer.closedloop.days.profiles",
    "compare_decoders": "spikeloop.streamer.launch.compare_decoders",
    "decode_sweep": "spikeloop.streamer.launch.decode_sweep.decode_sweep",
    "DecodeSweepResult": "spikeloop.streamer.launch.decode_sweep.decode_sweep",
    "DecoderLimits": "spikeloop.streamer.inference.isolation.limits",
    "start_closed_loop": "spikeloop.streamer.closedloop.background",
    "sweep": "spikeloop.streamer.closedloop.sweep.sweep",
    "SweepResult": "spikeloop.streamer.closedloop.sweep.sweep",
}

__all__ = ["__version__", *PLACES]  # pyright: ignore[reportUnsupportedDunderAll]

logging.getLogger("spikeloop").addHandler(logging.NullHandler())  # a library prints nothing on its own


def __getattr__(name: str) -> "Any":
    """Import a public name at its first use."""
    if name == "__version__":
        value = _version()
    elif name in PLACES:
        value = getattr(import_module(PLACES[name]), name)
    else:
        raise AttributeError(f"module 'spikeloop' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("spikeloop")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0+unknown"
