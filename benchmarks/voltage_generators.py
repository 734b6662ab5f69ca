"""Our voltage beside that of SpikeInterface's generator: the same spikes, waveforms and noise in the sorters' band.

MEArec takes waveforms of cells that it simulates or downloads, and not ours; SpikeInterface's generator takes ours, so
that the two voltages differ in nothing but their noise, whose level is made the same after the sorters' filter.
"""

import contextlib
import io
import tempfile
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.broadband import BIN_S, STEP_BINS, poisson_steps
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.sorting.comparison import compare_trains
from spikeloop.models.sorting.trains import UnitTrains
from spikeloop.streamer.broadband.amplifier import INTAN
from spikeloop.streamer.broadband.noise import TYPICAL, Noise
from spikeloop.streamer.broadband.probe_file import probe_document
from spikeloop.streamer.broadband.probes import open_probe
from spikeloop.streamer.broadband.step_traces import StepTraces
from spikeloop.streamer.broadband.templates import make_templates
from spikeloop.streamer.broadband.traces import Synthesiser
from spikeloop.streamer.stream.step import Step

UNITS, CHANNELS = 16, 32
SORTERS = ("tridesclous2", "mountainsort5", "simple")
NOISE_S = 10.0  # from which its level is measured
TOLERANCE_MS = 0.4


def measure(seconds: float) -> dict:
    """Both voltages, and what every sorter that is installed makes of them."""
    warnings.simplefilter("ignore")
    probe = open_probe("linear", CHANNELS)
    templates = make_templates(probe, UNITS, random_stream(0, Purpose.BENCHMARK, 0))
    noise = Noise(CHANNELS, TYPICAL, random_stream(0, Purpose.BENCHMARK, 1))
    steps = poisson_steps(UNITS, round(seconds / (BIN_S * STEP_BINS)), 0.0)
    truth = _truth(steps)
    made = StepTraces(Synthesiser(probe, templates, noise), BIN_S, 0.0)
    began_s = time.perf_counter()
    ours = np.concatenate([made.of(step).values for step in steps])
    our_s = time.perf_counter() - began_s
    generated = _generator(templates, truth, len(ours), _white_uv(noise.block(0, round(NOISE_S * INTAN.rate_hz))))
    began_s = time.perf_counter()
    theirs = np.rint(generated.get_traces() / INTAN.microvolts_per_bit).astype(np.int16)
    their_s = time.perf_counter() - began_s
    our_recording, their_recording = (_recording(trace, probe_document(probe)) for trace in (ours, theirs))
    installed = import_module("spikeinterface.sorters").installed_sorters()
    return {
        "about": f"{UNITS} units at 10 Hz near {CHANNELS} channels of the linear probe, {seconds:g} s at 30 kHz: the"
        " same spikes and waveforms in both, and noise of the same standard deviation from 300 to 6000 Hz after the"
        " median of all channels is taken away. Sorters have their default parameters; accuracy is the mean over all"
        " true units, 0 for those that were not found.",
        "rows": [_row(name, our_recording, their_recording, truth) for name in SORTERS if name in installed],
        "notes": [
            f"Ours is made in {our_s:.2f} s ({seconds / our_s:.0f} times faster than real time), SpikeInterface's"
            f" (InjectTemplatesRecording on a NoiseGeneratorRecording) in {their_s:.2f} s"
            f" ({seconds / their_s:.0f} times), each whole, in one thread.",
            "MEArec was not run: it takes waveforms of cells that it simulates or downloads, and not ours.",
        ],
    }


def _truth(steps: list[Step]) -> UnitTrains:
    units = np.concatenate([step.event_units for step in steps])
    times_s = np.concatenate([step.event_stamps_s for step in steps])
    trains = [times_s[units == unit] for unit in range(UNITS)]
    return UnitTrains.of("truth", [f"unit {unit}" for unit in range(UNITS)], trains)


def _white_uv(bits: NDArray[np.int32]) -> NDArray[np.float64]:
    """The level, (channels,), of white noise that is in the sorters' band what this noise is there."""
    white = random_stream(0, Purpose.BENCHMARK, 3).standard_normal(bits.shape)
    return INTAN.microvolts_per_bit * _filtered(bits.astype(np.float64)).std(axis=0) / _filtered(white).std(axis=0)


def _filtered(values: NDArray[np.float64]) -> NDArray[np.float64]:
    core, processing = import_module("spikeinterface.core"), import_module("spikeinterface.preprocessing")
    recording = core.NumpyRecording([values.astype(np.float32)], INTAN.rate_hz)
    return processing.common_reference(processing.bandpass_filter(recording, 300.0, 6000.0)).get_traces()


def _generator(templates: Any, truth: UnitTrains, samples: int, white_uv: NDArray[np.float64]) -> Any:
    """SpikeInterface's recording, in µV, of these waveforms at the samples of these spikes."""
    core, generation = import_module("spikeinterface.core"), import_module("spikeinterface.generation")
    waveforms_uv = np.zeros((UNITS, INTAN.span, CHANNELS), np.float32)
    for unit, template in enumerate(templates):
        run = slice(template.first_channel, template.first_channel + template.waveform.shape[1])
        waveforms_uv[unit, :, run] = template.waveform * INTAN.microvolts_per_bit
    noise = generation.NoiseGeneratorRecording(
        CHANNELS, INTAN.rate_hz, [samples / INTAN.rate_hz], noise_levels=white_uv.astype(np.float32), seed=0,
        strategy="on_the_fly",
    )  # fmt: skip
    return core.InjectTemplatesRecording(
        _sorting(truth), waveforms_uv, nbefore=INTAN.before, parent_recording=noise, num_samples=[samples]
    )


def _sorting(truth: UnitTrains) -> Any:
    trains = {unit: INTAN.sample_of(train) for unit, train in enumerate(truth.trains_s)}
    return import_module("spikeinterface.core").NumpySorting.from_unit_dict([trains], sampling_frequency=INTAN.rate_hz)


def _recording(trace: NDArray[np.int16], probe: dict[str, Any]) -> Any:
    core, probeinterface = import_module("spikeinterface.core"), import_module("probeinterface")
    recording = core.NumpyRecording([trace], INTAN.rate_hz)
    recording.set_channel_gains(INTAN.microvolts_per_bit)
    recording.set_channel_offsets(0.0)
    attached = recording.set_probegroup(probeinterface.ProbeGroup.from_dict(probe))
    return recording if attached is None else attached


def _row(sorter: str, ours: Any, theirs: Any, truth: UnitTrains) -> dict[str, Any]:
    row: dict[str, Any] = {"sorter": sorter}
    for name, recording in (("ours", ours), ("SpikeInterface's", theirs)):
        score = compare_trains(truth, _sorted(sorter, recording), TOLERANCE_MS)
        row |= {f"accuracy, {name}": score.accuracy, f"well detected, {name}": f"{score.well_detected} of {UNITS}"}
    row["difference (points)"] = 100 * (row["accuracy, ours"] - row["accuracy, SpikeInterface's"])
    print(row, flush=True)
    return row


def _sorted(sorter: str, recording: Any) -> UnitTrains:
    sorters = import_module("spikeinterface.sorters")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        recording = recording.save(folder=Path(folder) / "in", progress_bar=False)
        found = sorters.run_sorter(sorter, recording, folder=Path(folder) / "out", verbose=False)
        trains = [found.get_unit_spike_train(unit) / INTAN.rate_hz for unit in found.unit_ids]
    return UnitTrains.of(sorter, list(map(str, found.unit_ids)), trains)
