"""NAME-Broadband as Blackrock's nPlayServer takes it: with the type, rate and chunks of CereLink's own sender."""

import numpy as np
import pylsl
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.broadband import sink as broadband_sink
from spikeloop.streamer.broadband.amplifier import BLACKROCK
from spikeloop.streamer.broadband.opening import open_broadband
from spikeloop.streamer.broadband.options import VoltageOptions
from spikeloop.streamer.broadband.sink import BroadbandSink
from spikeloop.streamer.lsl.description import Provenance
from spikeloop.streamer.stream.step import Step, bin_end_s
from tests.support.command_line import fails
from tests.support.tiny import tiny_stream_card

UNITS, BIN_S, STEP_BINS = 3, 0.001, 20
ASKED = VoltageOptions(broadband_as="eeg", channels=4)


def steps(many: int) -> list[Step]:
    none = np.zeros(0, np.int32), np.zeros(0)
    return [
        Step(
            first, np.zeros((STEP_BINS, UNITS), np.uint8), np.zeros((STEP_BINS, 0), np.float32),
            bin_end_s(0.0, BIN_S, first + np.arange(STEP_BINS)), *none,
        )
        for first in range(0, many * STEP_BINS, STEP_BINS)
    ]  # fmt: skip


class Outlet:
    """Keeps what is pushed, with its stamp."""

    def __init__(self):
        self.pushed = []

    def push_chunk(self, values, stamp_s):
        self.pushed.append((values.copy(), stamp_s))

    def have_consumers(self):
        return False


async def test_chunks_have_10_ms_each_and_exact_stamps(monkeypatch):
    outlet, asked = Outlet(), {}

    def opened(name, kind, channels, rate_hz, form, **more):
        asked.update(kind=kind, rate_hz=rate_hz, form=form, **more)
        return outlet

    monkeypatch.setattr(broadband_sink, "open_outlet", opened)
    card, provenance = tiny_stream_card(UNITS), Provenance("tiny", "", 0, BIN_S, STEP_BINS, 50.0)
    async with BroadbandSink("lab", open_broadband(card, 0, ASKED), provenance, "eeg") as sink:
        for step in steps(5):
            sink.push(step)
    assert (asked["kind"], asked["rate_hz"], asked["form"], asked["chunk"]) == ("EEG", 30_000.0, "int16", 300)
    assert asked["microvolts_per_bit"] == 0.25
    assert [len(values) for values, _ in outlet.pushed] == [300] * 10
    lasts = [stamp_s for _, stamp_s in outlet.pushed]
    np.testing.assert_allclose(lasts, 50 + (300 * np.arange(1, 11) - 1) / 30_000, rtol=0, atol=1e-9)
    whole = open_broadband(card, 0, ASKED).block(0, 3000, np.zeros(0, np.int32), np.zeros(0))
    np.testing.assert_array_equal(np.concatenate([values for values, _ in outlet.pushed]), whole)


async def test_a_public_client_finds_it_by_its_type(stream_name):
    provenance = Provenance("tiny", "", 0, BIN_S, STEP_BINS, pylsl.local_clock())
    synthesiser = open_broadband(tiny_stream_card(UNITS), 0, ASKED)
    async with BroadbandSink(stream_name, synthesiser, provenance, "eeg") as sink:
        (found,) = pylsl.resolve_bypred(f"type='EEG' and name='{sink.name}'", timeout=60)
        info = pylsl.StreamInlet(found).info(timeout=60)
    assert (info.channel_format(), info.nominal_srate(), info.channel_count()) == (pylsl.cf_int16, 30_000.0, 4)
    assert info.desc().child("channels").child("channel").child_value("scaling_factor") == "0.25"


def test_the_same_voltage_has_fewer_bits_at_the_larger_scale():
    card, none = tiny_stream_card(UNITS), (np.zeros(0, np.int32), np.zeros(0))
    intan, blackrock = open_broadband(card, 1, VoltageOptions(channels=4)), open_broadband(card, 1, ASKED)
    assert blackrock.amplifier == BLACKROCK
    differences_uv = 0.195 * intan.block(0, 3000, *none) - 0.25 * blackrock.block(0, 3000, *none)
    assert np.abs(differences_uv).max() < 0.195 + 0.25  # each is rounded twice


def test_another_rate_is_refused():
    with pytest.raises(BadInputError, match="--sampling-rate: expected 30000 Hz with --broadband-as eeg, found 25000"):
        VoltageOptions(broadband_as="eeg", sampling_rate_hz=25_000).check_voltage()


def test_without_a_voltage_it_is_refused(capsys):
    code, said = fails(capsys, "stream", "m1-sim", "--broadband-as", "eeg", "--duration", 1)
    assert (code, "--broadband-as: expected a voltage to shape, found none; add --broadband" in said) == (2, True), said
