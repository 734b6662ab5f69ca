"""Files whose spikes are proven, and files with one thing wrong each."""

import json
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spikeloop
from spikeloop.exporters.formats.xdf.chunks import CLOCK_OFFSET
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.cutting import part_of
from spikeloop.models.recordings.provenance import Provenance
from spikeloop.models.recordings.rebinning import rebinned
from spikeloop.streamer.capture.record.outputs import finish_recording
from tests.support.sent import flipped, sent, write_xdf
from tests.support.tiny import tiny_stream_bundle

CHANNELS = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0, rest=0.5))
SUFFIXES = [".npz", ".mat", ".parquet", ".nwb", ".zarr", ".nix", ".xdf"]
BINS = 300


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    return tiny_stream_bundle(tmp_path_factory.mktemp("driven") / "tiny", channels=CHANNELS, slow=1)


@pytest.fixture(scope="module")
def hand():
    """What a hand might send, of which no words in a header tell."""
    return np.random.default_rng(3).uniform(-1, 1, (BINS, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def live(driven, hand):
    """A stream that something live drove."""
    return sent(driven, 7, BINS, hand, asked="lsl:hand")


def only(path, bundle) -> Any:
    result = spikeloop.verify(path, bundle, "cpu")
    (stream,) = result.streams
    return stream


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("condition", [None, "constant:x=1", "rows"])
def test_what_is_generated_agrees_in_every_format(driven, hand, tmp_path, suffix, condition):
    made = spikeloop.generate(driven, 0.3, 4, hand[:200] if condition == "rows" else condition, "cpu")
    spikeloop.write_recording(made, tmp_path / f"made{suffix}")
    stream = only(tmp_path / f"made{suffix}", driven)
    assert stream.agrees, stream.problems
    assert (stream.bins, stream.agreeing_bins, stream.condition_bins) == (300, 300, 300)
    assert made.spike_times is not None
    assert stream.spikes == len(made.spike_times.units)


@settings(max_examples=15)
@given(bin_=st.integers(0, 299), unit=st.integers(0, 3), suffix=st.sampled_from(SUFFIXES))
def test_one_flipped_spike_is_found_where_it_is(bin_, unit, suffix, driven, tmp_path_factory):
    made = spikeloop.generate(driven, 0.3, 4, device="cpu")
    counts = made.counts.copy()
    counts[0, bin_, unit] ^= 1
    path = tmp_path_factory.mktemp("flipped") / f"made{suffix}"
    spikeloop.write_recording(replace(made, counts=counts, spike_times=None), path)
    stream = only(path, driven)
    first = stream.first_difference
    assert not stream.agrees
    assert (stream.differing_bins, stream.agreeing_bins) == (1, 299)
    assert (first.bin, first.index, first.channel) == (bin_, unit, made.unit_names[unit])
    assert (first.expected, first.found) == (made.counts[0, bin_, unit], counts[0, bin_, unit])
    assert first.time_s == pytest.approx((bin_ + 1) * 0.001)


def test_a_recorded_live_stream_agrees_by_the_conditions_that_were_recorded(live, driven, tmp_path):
    write_xdf(tmp_path / "live.xdf", live)
    stream = only(tmp_path / "live.xdf", driven)
    assert stream.agrees, stream.problems
    assert (stream.first_bin, stream.last_bin, stream.agreeing_bins) == (0, BINS - 1, BINS)
    assert stream.spikes == sum(len(step.event_units) for step in live.steps)


@pytest.mark.parametrize("form", ["int16", "int8"])
def test_a_stream_of_whole_numbers_agrees(live, driven, tmp_path, form):
    write_xdf(tmp_path / "live.xdf", live, form)
    assert only(tmp_path / "live.xdf", driven).agrees


def test_one_flipped_spike_of_a_stream_is_found(live, driven, tmp_path):
    write_xdf(tmp_path / "live.xdf", flipped(live, 20, 3, 2))
    stream = only(tmp_path / "live.xdf", driven)
    assert (stream.differing_bins, stream.first_difference.bin, stream.first_difference.index) == (1, 103, 2)
    assert stream.first_difference.time_s == pytest.approx(1234.5678 + 0.104)
    assert "1 of 300 bins differ, first in bin 103" in stream.problems[0]


def test_a_lost_chunk_of_counts_is_found_and_all_others_are_compared(live, driven, tmp_path):
    write_xdf(tmp_path / "whole.xdf", live)
    counts_lost(tmp_path / "whole.xdf", tmp_path / "live.xdf", "sent", 17)
    stream = only(tmp_path / "live.xdf", driven)
    assert not stream.agrees
    assert (stream.bins, stream.agreeing_bins, stream.lost_bins) == (295, 295, 5)
    (lost,) = stream.lost
    assert (lost.first_bin, lost.bins, lost.time_s) == (85, 5, pytest.approx(1234.5678 + 0.085))


def counts_lost(whole, path, name, number):
    """Copy an XDF file without one chunk of samples of one stream."""
    from spikeloop.exporters.formats.xdf.chunks import open_streams

    with open_streams(whole) as streams:
        content = bytes(streams.content)
        stream = next(stream for stream in streams.streams if stream.name == name)
        begin, end = stream.chunks[1 + number]
    path.write_bytes(content[:begin] + content[end:])


def test_after_lost_conditions_nothing_is_compared_and_that_is_said(live, driven, tmp_path):
    write_xdf(tmp_path / "whole.xdf", live)
    counts_lost(tmp_path / "whole.xdf", tmp_path / "live.xdf", "sent-Condition", 17)
    stream = only(tmp_path / "live.xdf", driven)
    assert (stream.agreeing_bins, stream.uncompared_bins, stream.differing_bins) == (85, 215, 0)
    assert not stream.agrees
    assert stream.problems[0] == "sent-Condition has 295 samples, and had 300 when it was closed"
    assert "what drove bin 85 was not recorded" in stream.problems[1]


@pytest.mark.parametrize("suffix", [".nwb", ".zarr"])
@pytest.mark.parametrize("chunk", [17, 59])
def test_lost_conditions_are_not_made_up_where_a_session_becomes_another_file(live, driven, tmp_path, chunk, suffix):
    write_xdf(tmp_path / "whole.xdf", live)
    counts_lost(tmp_path / "whole.xdf", tmp_path / "live.xdf", "sent-Condition", chunk)
    finish_recording(tmp_path / "live.xdf", tmp_path / f"live{suffix}")
    stream = only(tmp_path / f"live{suffix}", driven)
    assert (stream.agreeing_bins, stream.differing_bins, stream.agrees) == (5 * chunk, 0, False)
    assert any("was not recorded" in problem for problem in stream.problems)


def test_lost_spike_times_are_found(live, driven, tmp_path):
    write_xdf(tmp_path / "whole.xdf", live)
    counts_lost(tmp_path / "whole.xdf", tmp_path / "live.xdf", "sent-Events", 17)
    stream = only(tmp_path / "live.xdf", driven)
    chunk = [step for step in live.steps if len(step.event_units)][17]
    assert (stream.agreeing_bins, stream.missing_spikes, stream.unexpected_spikes) == (300, len(chunk.event_units), 0)
    assert not stream.agrees
    assert stream.first_differing_spike.time_s == chunk.event_stamps_s[0]


def test_spikes_whose_times_were_lost_are_no_other_seed(live, driven, tmp_path):
    write_xdf(tmp_path / "whole.xdf", live)
    counts_lost(tmp_path / "whole.xdf", tmp_path / "live.xdf", "sent-Events", 0)
    assert not any("seed" in problem for problem in only(tmp_path / "live.xdf", driven).problems)


def test_a_wrong_seed_is_named(live, driven, tmp_path):
    write_xdf(tmp_path / "live.xdf", live, says=replace(live.provenance, seed=8))
    stream = only(tmp_path / "live.xdf", driven)
    assert not stream.agrees
    assert stream.differing_bins > 20
    assert any("the seed is another: seed 8" in problem for problem in stream.problems)
    assert any("another seed, bundle or condition" in problem for problem in stream.problems)


def test_a_wrong_condition_in_the_header_is_found(driven, tmp_path):
    found = sent(driven, 7, BINS, asked="constant:1,0.5")
    write_xdf(tmp_path / "x.xdf", found, says=replace(found.provenance, condition="constant:-1,0.5"))
    stream = only(tmp_path / "x.xdf", driven)
    assert stream.differing_conditions == stream.condition_bins == BINS
    assert stream.first_differing_condition.channel == "x"
    assert (stream.first_differing_condition.expected, stream.first_differing_condition.found) == (-1, 1)


def test_another_bundle_is_named_by_its_hash(live, tmp_path):
    other = tiny_stream_bundle(tmp_path / "other", channels=CHANNELS, slow=2)
    write_xdf(tmp_path / "live.xdf", live)
    stream = only(tmp_path / "live.xdf", other)
    assert not stream.agrees
    assert other.sha256[:12] in stream.problems[0]
    assert live.provenance.sha256[:12] in stream.problems[0]


def test_a_bundle_of_other_units_compares_nothing(live, tmp_path):
    other = tiny_stream_bundle(tmp_path / "other", units=3, channels=CHANNELS, slow=1)
    write_xdf(tmp_path / "live.xdf", live)
    stream = only(tmp_path / "live.xdf", other)
    assert (stream.uncompared_bins, stream.agreeing_bins) == (BINS, 0)
    assert stream.verdict == "nothing was compared"
    assert any("the units are others" in problem for problem in stream.problems)


@pytest.mark.parametrize("step_bins", [1, 5])
def test_gain_stimuli_and_perturbations_are_done_again(driven, hand, tmp_path, step_bins):
    acts = [
        (40, lambda steering, now_s: steering.set_gain(0.4)),
        (90, lambda steering, now_s: steering.stimulate("all", 40.0, pulses=4, rate_hz=200, at_s=now_s + 0.0015)),
        (100, lambda steering, now_s: steering.stimulate([1, 3], 60.0, at_s=now_s - 0.002)),
        (150, lambda steering, now_s: steering.set_gain(2.5)),
        (180, lambda steering, now_s: steering.perturb("noise", 20)),
        (190, lambda steering, now_s: steering.perturb("drop", units=[2])),
        (200, lambda steering, now_s: steering.perturb("drift", 50)),
        (220, lambda steering, now_s: steering.set_gain(1)),
    ]
    found = sent(driven, 9, BINS, hand, asked="lsl:hand", acts=acts, step_bins=step_bins)
    plain = sent(driven, 9, BINS, hand, asked="lsl:hand")
    assert any((a.counts != b.counts).any() for a, b in zip(found.steps, plain.steps, strict=False))
    write_xdf(tmp_path / "live.xdf", found)
    stream = only(tmp_path / "live.xdf", driven)
    assert stream.agrees, stream.problems
    assert stream.condition_bins == BINS  # with the channel of the stimulus


@settings(max_examples=25, deadline=None)
@given(data=st.data(), seed=st.integers(0, 99), step_bins=st.integers(1, 40))
def test_whatever_is_done_to_a_stream_and_whenever_it_agrees(data, seed, step_bins, driven, tmp_path_factory):
    kinds = st.sampled_from([
        lambda steering, now_s: steering.stimulate("all", 80.0, pulses=5, at_s=now_s),
        lambda steering, now_s: steering.stimulate([1, 3], 30.0, at_s=now_s + 0.0015),
        lambda steering, now_s: steering.set_gain(0),
        lambda steering, now_s: steering.set_gain(3.5),
        lambda steering, now_s: steering.set_gain(1),
        lambda steering, now_s: steering.set_paused(True),
        lambda steering, now_s: steering.set_paused(False),
        lambda steering, now_s: steering.perturb("drop", 0.5),
        lambda steering, now_s: steering.perturb("noise", 30),
        lambda steering, now_s: steering.perturb("drift", 30),
        lambda steering, now_s: steering.perturb("drift", 0),
        lambda steering, now_s: steering.perturb("latency", 100),
    ])  # fmt: skip
    acts = data.draw(st.lists(st.tuples(st.integers(-1, 60), kinds), max_size=6))
    acts.sort(key=lambda act: act[0])
    resumed = (61, lambda steering, now_s: steering.set_paused(False))
    found = sent(driven, seed, 100, asked="constant:1,0", acts=[*acts, resumed], step_bins=step_bins)
    path = tmp_path_factory.mktemp("steered") / "live.xdf"
    write_xdf(path, found)
    stream = only(path, driven)
    assert stream.agrees, stream.problems


def test_without_their_markers_acts_are_differences(driven, hand, tmp_path):
    found = sent(driven, 9, BINS, hand, asked="lsl:hand", acts=[(40, lambda steering, now_s: steering.set_gain(0))])
    found.markers.clear()
    write_xdf(tmp_path / "live.xdf", found)
    assert only(tmp_path / "live.xdf", driven).first_difference.bin >= 40


PAUSED = (
    (100, lambda steering, now_s: steering.set_paused(True)),
    (150, lambda steering, now_s: steering.set_paused(False)),
)


def test_a_pause_is_no_loss_where_words_say_what_drove_the_stream(driven, tmp_path):
    write_xdf(tmp_path / "live.xdf", sent(driven, 9, BINS, asked="constant:1,0", acts=PAUSED))
    stream = only(tmp_path / "live.xdf", driven)
    assert stream.agrees, stream.problems
    assert (stream.bins, stream.last_bin, stream.lost_bins) == (250, BINS - 1, 0)


def test_a_pause_of_a_live_condition_ends_the_comparison(driven, hand, tmp_path):
    write_xdf(tmp_path / "live.xdf", sent(driven, 9, BINS, hand, asked="lsl:hand", acts=PAUSED))
    stream = only(tmp_path / "live.xdf", driven)
    assert (stream.agreeing_bins, stream.uncompared_bins, stream.lost_bins) == (100, 150, 0)
    assert "a pause kept back what drove bin 100" in stream.problems[0]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_recorded_agrees_in_another_format_by_the_clock_of_its_recorder(live, driven, tmp_path, suffix):
    write_xdf(tmp_path / "live.xdf", live)  # whose clocks are 12 bins apart
    read = spikeloop.read_recording(tmp_path / "live.xdf")
    assert read.starts_s == pytest.approx((1234.5678 + 0.0123,))
    spikeloop.write_recording(read, tmp_path / f"converted{suffix}")
    stream = only(tmp_path / f"converted{suffix}", driven)
    assert stream.agrees, stream.problems
    assert stream.spikes == sum(len(step.event_units) for step in live.steps)


def test_one_spike_moved_in_time_is_found(driven, tmp_path):
    made = spikeloop.generate(driven, 0.3, 4, device="cpu")
    assert made.spike_times is not None
    times_s = made.spike_times.times_s.copy()
    times_s[30] += 1e-6
    moved = replace(made, spike_times=replace(made.spike_times, times_s=times_s))
    spikeloop.write_recording(moved, tmp_path / "moved.npz")
    stream = only(tmp_path / "moved.npz", driven)
    assert (stream.agreeing_bins, stream.missing_spikes, stream.unexpected_spikes) == (300, 1, 1)


@pytest.mark.parametrize("kept", [0, 30, -30])
def test_times_of_spikes_that_are_not_those_of_the_counts_are_told(kept, driven, tmp_path):
    spikeloop.write_recording(spikeloop.generate(driven, 0.3, 4, device="cpu"), tmp_path / "made.npz")
    with np.load(tmp_path / "made.npz") as file:
        arrays = dict(file)
    for name in ("event_times_s", "event_units"):
        arrays[name] = arrays[name][:kept]
    np.savez(tmp_path / "cut.npz", **arrays)
    stream = only(tmp_path / "cut.npz", driven)
    assert (stream.agreeing_bins, stream.agrees) == (300, False)
    assert "times of spikes are not those of its counts" in stream.problems[0]


def test_a_recorder_that_came_later_and_left_earlier_lost_nothing(driven, tmp_path):
    found = sent(driven, 9, BINS, asked="constant:1,0")
    found.steps[:] = found.steps[11:40]
    write_xdf(tmp_path / "part.xdf", found)
    stream = only(tmp_path / "part.xdf", driven)
    assert stream.agrees, stream.problems
    assert (stream.first_bin, stream.last_bin) == (55, 199)


def test_two_runs_of_one_stream_in_a_file_are_verified_each(driven, tmp_path):
    first, second = (sent(driven, seed, 50, start_s=start_s) for seed, start_s in ((1, 10.0), (2, 20.0)))
    write_xdf(tmp_path / "a.xdf", first)
    write_xdf(tmp_path / "b.xdf", flipped(second, 0, 0, 0))
    merged = (tmp_path / "a.xdf").read_bytes() + renumbered((tmp_path / "b.xdf").read_bytes()[4:])
    (tmp_path / "both.xdf").write_bytes(merged)
    result = spikeloop.verify(tmp_path / "both.xdf", driven, "cpu")
    assert [(stream.seed, stream.agrees) for stream in result.streams] == [(1, True), (2, False)]
    assert not result.agrees


def renumbered(content: bytes) -> bytes:
    """Give the streams of an XDF file's chunks numbers from 101 on."""
    out, at = [], 0
    while at < len(content):
        size = content[at]
        length = int.from_bytes(content[at + 1 : at + 1 + size], "little")
        begin, at = at, at + 1 + size + length
        tag = struct.unpack_from("<H", content, begin + 1 + size)[0]
        chunk = bytearray(content[begin:at])
        if tag in (2, 3, 4, 6):
            place = 1 + size + 2
            struct.pack_into("<I", chunk, place, struct.unpack_from("<I", chunk, place)[0] + 100)
        out.append(bytes(chunk) if tag != 1 else b"")
    return b"".join(out)


@pytest.mark.parametrize(
    "change",
    [
        lambda made: part_of(made, bins=slice(40, 200)),
        lambda made: replace(
            made, counts=made.counts[..., [2, 0]], unit_names=(made.unit_names[2], made.unit_names[0]), spike_times=None
        ),
    ],
)
def test_a_part_of_what_was_generated_agrees(driven, tmp_path, change):
    made = change(spikeloop.generate(driven, 0.3, 4, "constant:1,0.25", "cpu"))
    spikeloop.write_recording(made, tmp_path / "part.npz")
    assert only(tmp_path / "part.npz", driven).agrees


def test_fluorescence_agrees_to_the_bit(tmp_path):
    light = tiny_stream_bundle(tmp_path / "light", distribution="fluorescence")
    made = spikeloop.generate(light, 0.1, 4, device="cpu")
    spikeloop.write_recording(made, tmp_path / "light.nwb")
    assert only(tmp_path / "light.nwb", light).agrees
    values = made.counts.copy()
    values[0, 60, 1] = np.nextafter(values[0, 60, 1], np.float32(9))
    spikeloop.write_recording(replace(made, counts=values), tmp_path / "other.nwb")
    assert only(tmp_path / "other.nwb", light).first_difference.bin == 60


def test_the_result_is_a_table_and_a_document(live, driven, tmp_path):
    write_xdf(tmp_path / "live.xdf", flipped(live, 20, 3, 2))
    seen = []
    result = spikeloop.verify(tmp_path / "live.xdf", driven, "cpu", lambda done, of: seen.append((done, of)))
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["agrees"] is False
    assert document["streams"][0]["first_difference"]["bin"] == 103
    assert "does not agree" in repr(result)
    assert "bin 103" in result._repr_html_()
    assert seen[-1] == (BINS, BINS)


def test_what_does_not_say_what_made_it_is_refused(tmp_path, live):
    spikeloop.write_recording(spikeloop.Recording.from_counts(np.eye(3), 0.02), tmp_path / "other.npz")
    with pytest.raises(BadInputError, match=r"other.npz: expected a file that says what made its spikes"):
        spikeloop.verify(tmp_path / "other.npz")
    with pytest.raises(BadInputError, match="no such file"):
        spikeloop.verify(tmp_path / "absent.xdf")
    with pytest.raises(BadInputError, match="--device: expected auto, cpu or cuda"):
        spikeloop.verify(tmp_path / "other.npz", device="tpu")  # pyright: ignore[reportArgumentType]


def test_a_bundle_that_does_not_ship_is_asked_for(live, tmp_path):
    write_xdf(tmp_path / "live.xdf", live)
    with pytest.raises(BadInputError, match=r"made by the bundle 'tiny', which is none of those that ship.*--bundle"):
        spikeloop.verify(tmp_path / "live.xdf")


def test_joined_bins_can_not_be_verified(driven, tmp_path):
    made = rebinned(spikeloop.generate(driven, 0.3, 4, device="cpu"), 3)
    spikeloop.write_recording(made, tmp_path / "joined.npz")
    with pytest.raises(BadInputError, match="expected bins of 1 ms, as they were made, found 3 ms"):
        spikeloop.verify(tmp_path / "joined.npz", driven)


def test_conditions_that_are_not_there_are_asked_for(driven, hand, tmp_path):
    made = spikeloop.generate(driven, 0.3, 4, hand, "cpu")
    spikeloop.write_recording(replace(made, channels=(), driven_by=None), tmp_path / "bare.npz")
    stream = only(tmp_path / "bare.npz", driven)
    assert stream.uncompared_bins == 300
    assert "what drove the stream was not recorded" in stream.problems[0]


def test_stamps_from_before_the_start_are_said(live, driven, tmp_path):
    says = replace(live.provenance, start_s=9999.0)
    write_xdf(tmp_path / "live.xdf", live, says=says)
    stream = only(tmp_path / "live.xdf", driven)
    assert not stream.agrees
    assert "are from before its start" in stream.problems[0]


def test_the_shipped_bundle_is_found_by_the_name_in_the_file(tmp_path):
    spikeloop.write_recording(spikeloop.generate("m1-sim", 1, 3), tmp_path / "session.npz")
    assert spikeloop.verify(tmp_path / "session.npz").agrees


def test_a_name_in_a_file_never_becomes_a_path(driven, tmp_path):
    made = spikeloop.generate(driven, 0.1, device="cpu")
    named = Provenance(str(tmp_path), "0" * 64, 0, 0.001, 1, 0.0)
    spikeloop.write_recording(replace(made, provenance=named), tmp_path / "odd.npz")
    with pytest.raises(BadInputError, match="none of those that ship"):
        spikeloop.verify(tmp_path / "odd.npz")


@pytest.fixture(scope="module")
def written(driven, tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "made.xdf"
    spikeloop.write_recording(spikeloop.generate(driven, 0.3, 4, device="cpu"), path)
    return path


def agrees(path, bundle) -> bool:
    try:
        return spikeloop.verify(path, bundle, "cpu").agrees
    except BadInputError:
        return False


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_that_was_cut_off_never_agrees(share, driven, written, tmp_path_factory):
    path = tmp_path_factory.mktemp("cut") / "cut.xdf"
    content = written.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert not agrees(path, driven)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_file_that_lost_chunks_never_agrees(data, driven, written, tmp_path_factory):
    from spikeloop.exporters.formats.xdf.chunks import open_streams

    with open_streams(written) as streams:
        content = bytes(streams.content)
        chunks = sorted(chunk for stream in streams.streams for chunk in stream.chunks if len(stream.chunks) > 2)
    begin, end = data.draw(st.sampled_from(chunks))
    spoiled = data.draw(st.booleans())  # or gone, as if it had never been there
    path = tmp_path_factory.mktemp("lost") / "lost.xdf"
    place = begin + 1 + content[begin]  # of the tag, behind the length
    path.write_bytes(content[:place] + b"\xff" + content[place + 1 :] if spoiled else content[:begin] + content[end:])
    assert not agrees(path, driven) or content[place] == CLOCK_OFFSET


def test_the_end_of_a_live_recording_may_lack_a_second_of_spike_times_but_no_more(driven, tmp_path):
    found = sent(driven, 9, 2500, asked="constant:1,0")
    for left_out_s, missing in ((0.9, False), (1.5, True)):
        last_s = found.steps[-1].stamps_s[-1] - left_out_s
        steps = [step if step.stamps_s[-1] < last_s else without_times(step) for step in found.steps]
        write_xdf(tmp_path / "live.xdf", replace(found, steps=steps))
        stream = only(tmp_path / "live.xdf", driven)
        assert (stream.agrees, stream.missing_spikes > 0) == (not missing, missing), stream.problems


def test_spike_times_of_which_none_came_are_missing(driven, tmp_path):
    found = sent(driven, 9, 2500, asked="constant:1,0")
    write_xdf(tmp_path / "live.xdf", replace(found, steps=list(map(without_times, found.steps))))
    stream = only(tmp_path / "live.xdf", driven)
    assert stream.missing_spikes == stream.spikes > 0


def without_times(step):
    return replace(step, event_units=step.event_units[:0], event_stamps_s=step.event_stamps_s[:0])


def test_that_no_spike_times_were_compared_is_said(driven, tmp_path):
    made = spikeloop.generate(driven, 0.3, 4, device="cpu")
    spikeloop.write_recording(replace(made, spike_times=None), tmp_path / "bare.npz")
    stream = only(tmp_path / "bare.npz", driven)
    assert stream.agrees
    assert stream.spikes is None
    assert stream.rows()["spikes' times"] == "none were compared"


@pytest.mark.parametrize("suffix", ["", "-Events", "-Condition"])
def test_a_stamp_that_is_no_time_is_said(live, driven, tmp_path, suffix):
    from spikeloop.exporters.formats.xdf.chunks import open_streams

    write_xdf(tmp_path / "live.xdf", live)
    with open_streams(tmp_path / "live.xdf") as streams:
        content = bytearray(streams.content)
        stream = next(stream for stream in streams.streams if stream.name == f"sent{suffix}")
        begin, _ = stream.chunks[1]
    place = begin + 1 + content[begin] + 2 + 4  # of the number of samples, behind length, tag and the stream's number
    stamp = place + 1 + content[place] + 1
    content[stamp : stamp + 8] = struct.pack("<d", np.nan)
    (tmp_path / "live.xdf").write_bytes(content)
    stream = only(tmp_path / "live.xdf", driven)
    assert not stream.agrees
    assert any(f"sent{suffix}: left out 1 samples" in problem for problem in stream.problems)
