"""Importance maps from the command line: of recordings, of generated spikes, and of what is none of the critic's."""

import signal
import time
from dataclasses import replace

import numpy as np
import pytest

from spikeloop.__main__ import main
from spikeloop.exporters.bundle import load_bundle, write_bundle
from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.importance.maps import exact_importance, gradient_importance, shuffle_importance
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.streamer.inference.critic_engine import Critic
from tests.support.command_line import fails, printed_by, run
from tests.support.html_outline import Outline
from tests.support.tiny_baseline import tiny_baseline
from tests.support.unequal import unequal

BINS = 32


def save(path, spikes, **others):
    np.savez(path, spikes=spikes, **({"bin_size_s": 0.02} | others))  # type: ignore[arg-type]
    return path


def written(path) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """Six windows of the retina bundle, as `generate` writes them."""
    path = tmp_path_factory.mktemp("generated") / "retina.npz"
    run("generate", "retina", "--windows", 6, "--out", path)
    return path


def test_exact_maps_of_generated_windows(generated, tmp_path, capsys):
    out = tmp_path / "maps.npz"
    told = printed_by(capsys, "importance", "retina", "--data", generated, "--out", out)
    got, spikes, bundle = written(out), written(generated)["spikes"], load_bundle("retina")
    np.testing.assert_array_equal(got["windows"], spikes)
    expected = exact_importance(spikes, Critic(bundle, "cpu"), random_stream(0, Purpose.IMPORTANCE)).maps
    np.testing.assert_allclose(got["maps"], expected, rtol=1e-5)
    assert got["maps"].dtype == np.float32
    assert tuple(got["unit_names"]) == bundle.card.unit_names
    assert (got["bin_size_s"], got["method"], got["bundle"]) == (0.02, "exact", "retina")
    assert got["sha256"] == told["sha256"] == bundle.sha256
    assert (told["method"], told["shape"], told["capped_spans"]) == ("exact", [6, BINS, 50], 0)
    assert told["maps_a_second"] > 0
    assert told["rank_correlation"] is None
    assert told["mean_importance"] == pytest.approx(got["maps"].sum() / (spikes > 0).sum(), rel=1e-5)
    for unit, row in enumerate(told["units"]):
        assert row["unit"] == bundle.card.unit_names[unit]
        assert row["spikes"] == spikes[..., unit].sum()
        assert row["window_importance"] == pytest.approx(got["maps"][..., unit].sum() / 6, rel=1e-5)
    assert [row["lag_ms"] for row in told["lags"]] == pytest.approx([20 * lag for lag in range(8)])
    assert told["lags"][0]["own_importance"] is None
    assert all(len(pattern["units"]) >= 2 for pattern in told["patterns"])
    assert list(tmp_path.iterdir()) == [out]


def test_shuffle_is_as_published_and_seeded(generated, tmp_path):
    options = ["importance", "retina", "--data", generated, "--method", "shuffle", "--windows", 2, "--shuffles", 2]
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        run(*options, "--seed", seed, "--out", tmp_path / f"{name}.npz")
    one, same, other = (written(tmp_path / f"{name}.npz") for name in ("one", "same", "other"))
    np.testing.assert_array_equal(one["maps"], same["maps"])
    assert (one["maps"] != other["maps"]).any()
    np.testing.assert_array_equal(one["windows"], written(generated)["spikes"][[0, 5]])
    random = random_stream(3, Purpose.IMPORTANCE)
    expected = shuffle_importance(one["windows"], Critic(load_bundle("retina"), "cpu"), random, 2)
    np.testing.assert_allclose(one["maps"], expected, rtol=1e-5)


def test_gradient_tells_how_near_it_is_to_exact(generated, tmp_path, capsys):
    out = tmp_path / "maps.npz"
    told = printed_by(capsys, "importance", "retina", "--data", generated, "--method", "gradient", "--out", out)
    spikes, critic = written(generated)["spikes"], Critic(load_bundle("retina"), "cpu")
    random = random_stream(0, Purpose.IMPORTANCE)
    expected = gradient_importance(spikes, critic, random)
    np.testing.assert_allclose(written(out)["maps"], expected, rtol=1e-4, atol=1e-6)
    exact = exact_importance(spikes, critic, random).maps
    correlation = np.corrcoef(expected[spikes > 0], exact[spikes > 0])[0, 1]
    assert told["correlation"] == pytest.approx(correlation, rel=1e-3)
    assert 0.6 < told["rank_correlation"] < 1
    assert told["compared_spikes"] == (spikes > 0).sum()
    assert told["capped_spans"] is None


def test_longer_recordings_are_cut_and_thinned_evenly(tmp_path, capsys, random):
    spikes = (random.random((2, 5 * BINS + 3, 50)) < 0.03).astype(np.uint8)
    options = ["--data", save(tmp_path / "r.npz", spikes), "--method", "gradient", "--out", tmp_path / "m.npz"]
    run("importance", "retina", *options)
    assert "rank correlation with exact" in capsys.readouterr().out
    every = written(tmp_path / "m.npz")["windows"]
    np.testing.assert_array_equal(every, spikes[:, : 5 * BINS].reshape(10, BINS, 50))
    run("importance", "retina", *options, "--windows", 4)
    np.testing.assert_array_equal(written(tmp_path / "m.npz")["windows"], every[[0, 3, 6, 9]])
    run("importance", "retina", *options, "--windows", 400)
    np.testing.assert_array_equal(written(tmp_path / "m.npz")["windows"], every)


def test_generated_counts_go_with_what_drove_them(tmp_path, random):
    bundle = load_bundle("m1_jango")
    path, out = tmp_path / "g.npz", tmp_path / "m.npz"
    run("generate", "m1_jango", "--windows", 2, "--condition", "constant:2,-3,0.5,1", "--out", path)
    run("importance", "m1_jango", "--data", path, "--method", "gradient", "--out", out)
    spikes, critic = written(path)["spikes"], Critic(bundle, "cpu")
    driven, rest = (np.tile(np.array(each, np.float32), (2, BINS, 1)) for each in ([2, -3, 0.5, 1], [0, 0, 0, 0]))
    numbers = random_stream(0, Purpose.IMPORTANCE)
    expected = gradient_importance(spikes, critic, numbers, driven)
    np.testing.assert_allclose(written(out)["maps"], expected, rtol=1e-4, atol=1e-6)
    assert not np.allclose(expected, gradient_importance(spikes, critic, numbers, rest), rtol=1e-2)


def test_recorded_counts_go_with_what_came_as_much_later_as_in_training(tmp_path, capsys, random):
    """Three bins, of m1_jango; what has no conditions, or others, is told."""
    bundle, out = load_bundle("m1_jango"), tmp_path / "m.npz"
    spikes = random.poisson(0.3, (BINS + 3, 96)).astype(np.uint8)
    conditions = random.standard_normal((BINS + 3, 4)).astype(np.float32)
    names = [channel.name for channel in bundle.card.channels]
    driven = {"bin_size_s": 0.05, "conditions": conditions, "condition_names": names}
    path = save(tmp_path / "r.npz", spikes, **driven)
    told = printed_by(capsys, "importance", "m1_jango", "--data", path, "--out", out, "--most-arrangements", 20)
    assert told["capped_spans"] > 0
    assert told["shape"] == [1, BINS, 96]
    later = conditions[np.newaxis, 3:]
    numbers = random_stream(0, Purpose.IMPORTANCE)
    expected = exact_importance(spikes[np.newaxis, :BINS], Critic(bundle, "cpu"), numbers, 20, later).maps
    np.testing.assert_allclose(written(out)["maps"], expected, rtol=1e-4, atol=1e-6)
    for others, message in (({"conditions": conditions}, "condition 0"), ({}, "no conditions")):
        path = save(tmp_path / "o.npz", spikes, **({"bin_size_s": 0.05} | others))
        code, said = fails(capsys, "importance", "m1_jango", "--data", path, "--out", tmp_path / "n.npz")
        assert (code, message in said) == (2, True)
    path = save(tmp_path / "o.npz", spikes, bin_size_s=0.05, condition=conditions[:, :3])
    code, said = fails(capsys, "importance", "m1_jango", "--data", path, "--out", tmp_path / "n.npz")
    assert (code, f"expected condition of shape ({BINS + 3}, 4)" in said) == (2, True)
    assert not (tmp_path / "n.npz").exists()


def test_windows_lie_inside_trials_of_unequal_length(tmp_path):
    recording = unequal([BINS + 8, 20, 2 * BINS + 5], units=50)
    write_recording(recording, tmp_path / "r.npz")
    run("importance", "retina", "--data", tmp_path / "r.npz", "--method", "gradient", "--out", tmp_path / "m.npz")
    expected = [recording.counts[0, :BINS], recording.counts[2, :BINS], recording.counts[2, BINS : 2 * BINS]]
    np.testing.assert_array_equal(written(tmp_path / "m.npz")["windows"], expected)


def test_conditions_come_later_within_each_trial_of_unequal_length(tmp_path, random):
    """By three bins, of m1_jango."""
    bundle, lengths = load_bundle("m1_jango"), (BINS + 3, BINS + 2, BINS + 6)
    recording = unequal(lengths, units=96)
    channels, conditions = bundle.card.channels, random.standard_normal((3, BINS + 6, 4)).astype(np.float32)
    names, units = ([getattr(channel, key) for channel in channels] for key in ("name", "unit"))
    recording = with_conditions(replace(recording, bin_size_s=0.05), conditions, names, units)
    write_recording(recording, tmp_path / "r.npz")
    run("importance", "m1_jango", "--data", tmp_path / "r.npz", "--method", "gradient", "--out", tmp_path / "m.npz")
    got = written(tmp_path / "m.npz")
    np.testing.assert_array_equal(got["windows"], recording.counts[[0, 2], :BINS])
    later = conditions[[0, 2], 3 : BINS + 3]
    numbers = random_stream(0, Purpose.IMPORTANCE)
    expected = gradient_importance(recording.counts[[0, 2], :BINS], Critic(bundle, "cpu"), numbers, later)
    np.testing.assert_allclose(got["maps"], expected, rtol=1e-4, atol=1e-6)


PANELS = [
    "importance of a unit's spikes in a window", "importance of one spike of a unit", "by time since an earlier spike",
    "by pattern of units that fire in one bin",
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "begins"), [(".svg", b"<svg"), (".png", b"\x89PNG"), (".html", b"<!doctype html>")])
def test_a_picture_on_request(generated, tmp_path, suffix, begins):
    plot = tmp_path / f"maps{suffix}"
    options = ["--method", "gradient", "--windows", 2, "--out", tmp_path / "m.npz", "--plot", plot]
    run("importance", "retina", "--data", generated, *options)
    content = plot.read_bytes()
    assert content.startswith(begins)
    if suffix == ".html":
        page = Outline(content.decode())
        assert "retina: importance in retina, gradient" in page.texts
        assert "24 of 50 units, with standard errors" in page.texts
        assert page.panels[2:] == PANELS
        assert {"unit 0", "importance of a spike (change of the critic's score)"} <= set(page.texts)
        command = next(text for text in page.texts if text.startswith("spikeloop importance --data"))
        assert all(told in command for told in ("--method gradient", "--windows 2", "--seed 0"))


@pytest.mark.parametrize(
    ("shape", "counts", "size_s", "message"),
    [
        ((64, 49), 1, 0.02, "has 49 units in bins of 20 ms; expected 50"),
        ((64, 50), 1, 0.01, "bins of 10 ms; expected 50 in bins of 20 ms"),
        ((64, 50), 2, 0.02, "at most one spike in a bin, found 2"),
        ((31, 50), 1, 0.02, "at least 32 bins (one window), found 31"),
    ],
)
def test_spikes_that_are_none_of_the_critics_are_told(tmp_path, capsys, shape, counts, size_s, message):
    path = save(tmp_path / "r.npz", np.full(shape, counts, np.uint8), bin_size_s=size_s)
    code, said = fails(capsys, "importance", "retina", "--data", path, "--out", tmp_path / "m.npz")
    assert code == 2
    assert message in said
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "m.csv"], "--out: expected a file ending in .npz"),
        (["--out", "m.npz", "--plot", "m.pdf"], "--plot: expected a file ending in .html"),
        (["--out", "m.npz", "--windows", 0], "--windows: expected 1 or more"),
        (["--out", "m.npz", "--shuffles", 0], "--shuffles: expected 1 or more"),
        (["--out", "m.npz", "--seed", -1], "--seed: expected"),
        (["--out", "m.npz", "--data", "nowhere"], "no recording named 'nowhere'"),
    ],
)
def test_options_out_of_range_are_told(generated, capsys, options, message):
    code, said = fails(capsys, "importance", "retina", "--data", generated, *options)
    assert code == 2
    assert message in said


def test_bundles_without_a_critic_or_its_effects_are_told(generated, tmp_path, capsys):
    tiny_baseline(tmp_path / "tiny", "k_pairwise", 50, 0.02)
    code, said = fails(capsys, "importance", tmp_path / "tiny", "--data", generated, "--out", tmp_path / "m.npz")
    assert (code, "k_pairwise has no critic" in said) == (2, True)
    whole = load_bundle("retina")
    write_bundle(
        tmp_path / "old", whole.card, whole.generator, whole.critic, whole.reference, whole.parameters,
        critic_weights=whole.critic_weights,
    )  # fmt: skip
    options = ["--data", generated, "--out", tmp_path / "m.npz", "--method", "gradient"]
    code, said = fails(capsys, "importance", tmp_path / "old", *options)
    assert (code, "critic_effects.onnx" in said) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "tiny"]


def test_where_no_file_can_be_is_told_before_the_work(generated, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    options = ["--data", generated, "--method", "shuffle", "--shuffles", 100_000]
    code, said = fails(capsys, "importance", "retina", *options, "--out", tmp_path / "file" / "m.npz")
    assert (code, "could not write" in said) == (1, True)


def test_ctrl_c_leaves_nothing_half_written(start, generated, tmp_path):
    options = ["--data", generated, "--method", "shuffle", "--shuffles", 2000, "--out", tmp_path / "m.npz"]
    process = start("importance", "retina", *options)
    while not list(tmp_path.iterdir()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=280)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


def test_silence_has_no_importance(tmp_path, capsys):
    path = save(tmp_path / "r.npz", np.zeros((64, 50), np.uint8))
    options = ["--data", path, "--method", "gradient", "--out", tmp_path / "m.npz"]
    told = printed_by(capsys, "importance", "retina", *options, "--plot", tmp_path / "m.svg")
    assert not written(tmp_path / "m.npz")["maps"].any()
    assert (told["mean_importance"], told["rank_correlation"], told["patterns"]) == (None, None, [])
    run("importance", "retina", *options)
    said = capsys.readouterr().out
    assert "no spikes in any window" in said
    assert "rank correlation" not in said


def test_words_name_the_units_that_matter_most_in_a_window(generated, tmp_path, capsys):
    run("importance", "retina", "--data", generated, "--out", tmp_path / "m.npz")
    said = capsys.readouterr().out
    importance = written(tmp_path / "m.npz")["maps"].sum(axis=(0, 1))
    order = [f"  unit {unit}: {importance[unit] / 6:.3g} ± " for unit in np.argsort(-importance)[:5]]
    lines = [line for line in said.splitlines() if line.startswith("  unit")]
    assert [line[: len(begins)] for line, begins in zip(lines, order, strict=True)] == order


def test_help_says_what_it_does(capsys):
    with pytest.raises(SystemExit):
        main(["importance", "--help"])
    assert "which spikes matter" in capsys.readouterr().out
