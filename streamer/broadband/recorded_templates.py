"""Waveforms of units from a recording that was sorted, through SpikeInterface, https://spikeinterface.readthedocs.io."""

import logging
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError, SpikeloopError, in_one_line
from spikeloop.models.packages import require_packages
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.scalars import checked_path
from spikeloop.streamer.broadband.amplifier import Amplifier
from spikeloop.streamer.broadband.analyzer_data import data_of_analyzer
from spikeloop.streamer.broadband.probe import Probe
from spikeloop.streamer.broadband.probes import probe_of
from spikeloop.streamer.broadband.read_broadband import read_broadband
from spikeloop.streamer.broadband.templates import Template

__all__ = ["RecordedTemplates", "open_recorded_templates", "read_templates"]

FAINT_UV = 2.0  # a channel that sees no more of a unit is left out
LEAST_SAMPLES, LARGEST_UV = 4, 100_000.0  # of a waveform
TAPER_MS = 0.2  # at both ends, so that a waveform begins and ends without a step
REMEDY = "make it with analyzer.compute(['random_spikes', 'templates'])"

logger = logging.getLogger(__name__)


class RecordedTemplates(NamedTuple):
    """The mean waveforms of a recording's units.

    Attributes
    ----------
    waveforms_uv : array of shape (units, samples, channels), µV
    before : int
        Samples before a spike's time.
    rate_hz : float
    probe : Probe
    """

    waveforms_uv: Floats
    before: int
    rate_hz: float
    probe: Probe


def open_recorded_templates(
    path: str | Path, units: int, amplifier: Amplifier, seed: int
) -> tuple[Probe, tuple[Template, ...]]:
    """Read the waveforms of a sorted recording's units for the units of a population, in an order by the seed.

    Where the recording has fewer units than the population, several get the same waveform, and a warning says so.

    Parameters
    ----------
    path : str or Path
        As of `read_templates`.
    units : int >= 1
        Of the population.
    amplifier : Amplifier
        To whose rate and scale the waveforms are brought.
    seed : int

    Returns
    -------
    probe : Probe
        Of the recording.
    templates : tuple of Template, one for each unit

    Raises
    ------
    BadInputError
        If there is no such recording, or it has no waveforms.
    FailureError
        If SpikeInterface is not installed.
    """
    found = read_templates(path)
    recorded = len(found.waveforms_uv)
    if recorded < units:
        logger.warning("%s: %d recorded waveforms for %d units; some units share one", path, recorded, units)
    order = random_stream(seed, Purpose.TEMPLATE_ORDER).permutation(recorded)
    templates = [_template(waveform, found, amplifier) for waveform in found.waveforms_uv]
    return found.probe, tuple(templates[order[unit % recorded]] for unit in range(units))


def read_templates(path: str | Path) -> RecordedTemplates:
    """Read the mean waveforms of a sorted recording's units.

    Parameters
    ----------
    path : str or Path
        A SortingAnalyzer of SpikeInterface with templates, as a folder or Zarr folder; or FILE.raw, as
        `generate --broadband` writes it.

    Raises
    ------
    BadInputError
        If there is no such recording, or it has no waveforms.
    FailureError
        If SpikeInterface is not installed.
    """
    path = checked_path("--templates", path)
    require_packages("spikeinterface", extra="sorters", what="--templates")
    core = import_module("spikeinterface.core")
    found = _of_voltage(core, path) if path.suffix == ".raw" else _of_folder(core, path)
    _check_waveforms(found, path)
    return found


def _of_voltage(core: Any, path: Path) -> RecordedTemplates:
    try:
        return _templates_of(_analyzer_of_file(core, path), path)
    except SpikeloopError:
        raise
    except Exception as error:  # SpikeInterface raises many kinds on damaged files
        raise BadInputError(
            f"--templates {path}: expected a voltage of generate --broadband with its true spikes beside it"
            f" ({in_one_line(error)}); generate it again"
        ) from error


def _of_folder(core: Any, path: Path) -> RecordedTemplates:
    expected = "expected a SortingAnalyzer folder of SpikeInterface, or FILE.raw of generate --broadband"
    remedy = "save one with create_sorting_analyzer(sorting, recording, folder=...)"
    if not path.is_dir():
        found = "a file" if path.exists() else "no such folder"
        raise BadInputError(f"--templates {path}: {expected}, found {found}; {remedy}")
    with data_of_analyzer(path) as folder:
        try:
            return _templates_of(core.load_sorting_analyzer(folder, load_extensions=False), path)
        except SpikeloopError:
            raise
        except Exception as error:  # SpikeInterface raises many kinds on other folders
            reason = in_one_line(error).replace(str(folder), str(path))
            raise BadInputError(f"--templates {path}: {expected} ({reason}); {remedy}") from error


def _templates_of(analyzer: Any, path: Path) -> RecordedTemplates:
    if not analyzer.has_extension("templates"):
        raise BadInputError(f"--templates {path}: expected a SortingAnalyzer with templates, found none; {REMEDY}")
    tools = import_module("spikeinterface.core.template_tools")
    waveforms_uv = np.array(tools.get_dense_templates_array(analyzer, return_in_uV=True), np.float64)
    before, rate_hz = analyzer.get_extension("templates").nbefore, analyzer.sampling_frequency
    return RecordedTemplates(waveforms_uv, int(before), float(rate_hz), probe_of(analyzer.get_probe(), path.stem))


def _check_waveforms(found: RecordedTemplates, path: Path) -> None:
    """Check that there are waveforms of finite numbers, on the channels of the probe, around the time of a spike."""
    shape, channels = found.waveforms_uv.shape, found.probe.channels
    if not shape[0]:
        raise BadInputError(f"--templates {path}: expected sorted units, found none; sort the recording first")
    if shape[2:] != (channels,) or not 0 <= found.before < shape[1] or shape[1] < LEAST_SAMPLES:
        raise BadInputError(
            f"--templates {path}: expected waveforms of {LEAST_SAMPLES} samples or more on the {channels} channels of"
            f" the probe, found an array of {shape} with {found.before} samples before the spike; {REMEDY}"
        )
    if damaged := np.flatnonzero(~np.isfinite(found.waveforms_uv).all(axis=(1, 2))).tolist():
        raise BadInputError(
            f"--templates {path}: expected finite numbers, found others in {len(damaged)} of {shape[0]} waveforms, the"
            f" first of unit {damaged[0]}; leave these units out with analyzer.select_units, or compute them again"
        )
    if (largest_uv := np.abs(found.waveforms_uv).max()) > LARGEST_UV:
        raise BadInputError(
            f"--templates {path}: expected waveforms of at most {LARGEST_UV:g} uV, found {largest_uv:.3g} uV; is the"
            " recording's gain right?"
        )


def _analyzer_of_file(core: Any, path: Path) -> Any:
    recording, sorting = read_broadband(path)
    analyzer = core.create_sorting_analyzer(sorting.remove_empty_units(), recording, sparse=False)
    extensions = {"random_spikes": {"seed": 0}, "templates": {"ms_before": 1.0, "ms_after": 2.0}}
    analyzer.compute(extensions, progress_bar=False)
    return analyzer


def _template(waveform_uv: Floats, found: RecordedTemplates, amplifier: Amplifier) -> Template:
    """Bring a waveform, (samples, channels), to the amplifier's rate and scale, its extremum at the spike's time."""
    from scipy.interpolate import CubicSpline  # late, as it takes half a second

    peak_channel = int(np.abs(waveform_uv[found.before]).argmax())
    recorded_ms = (np.arange(len(waveform_uv)) - found.before) * 1000 / found.rate_hz
    extremum_ms = recorded_ms[np.abs(waveform_uv[:, peak_channel]).argmax()]
    times_ms = (np.arange(amplifier.span) - amplifier.before) * 1000 / amplifier.rate_hz + extremum_ms
    resampled_uv = CubicSpline(recorded_ms, waveform_uv - np.median(waveform_uv, axis=0))(times_ms)
    ends_ms = max(times_ms[0], recorded_ms[0]), min(times_ms[-1], recorded_ms[-1])
    from_end_ms = np.minimum(times_ms - ends_ms[0], ends_ms[1] - times_ms)
    resampled_uv *= np.clip(from_end_ms / TAPER_MS, 0, 1)[:, np.newaxis]
    seen = np.flatnonzero(np.abs(resampled_uv).max(axis=0) > FAINT_UV)
    seen = seen if len(seen) else np.array([peak_channel])
    first, last = min(seen[0], peak_channel), max(seen[-1], peak_channel)
    bits = np.rint(resampled_uv[:, first : last + 1] / amplifier.microvolts_per_bit).astype(np.int32)
    peak_uv = float(np.abs(resampled_uv[amplifier.before, peak_channel]))
    position_um = np.append(found.probe.positions_um[peak_channel], 0.0)
    return Template(int(first), bits, peak_channel, peak_uv, position_um)
