import json
import os
import re
import signal
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.families.population import population_of_description
from spikeloop.models.families.registry import BASELINES, FAMILIES, Settings, load_gan_family, preset, suited_preset
from spikeloop.models.measures.one_step import parse_one_step
from spikeloop.models.recordings.conditioning import with_conditions, with_phase
from spikeloop.models.recordings.recording import Recording, from_counts
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.models.recordings.windows import cut_windows
from spikeloop.models.training import run as training
from spikeloop.models.training.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from spikeloop.models.training.run import Training
from spikeloop.models.training.saved_run import describe_run, resume_run, save_run
from spikeloop.models.training.trainer import train
from tests.support.stamped import stamped


@pytest.fixture(scope="module")
def recording():
    return correlated_groups(windows=60, window_bins=64, units=6, spike_probability=0.1, seed=1)


@pytest.fixture
def settings():
    return small("spike_gan")


CAUSAL = ("causal_gan", "vae", "vae_gan")
SIZES = {"features": 8, "batch": 8}
CAUSAL_SIZES = SIZES | {"state_size": 16, "drive_size": 8, "encoder_size": 8, "likelihood_batch": 8, "critic_lead": 1}


def small(family: str, calibrate_rates: bool = False, lead_bins: int = 0, **options) -> Settings:
    """Settings of a model that is quick to train."""
    sizes = CAUSAL_SIZES if family in CAUSAL else SIZES | {"latent_size": 16}
    config = replace(load_gan_family(family).presets["fast"], **(sizes | options))
    return Settings(family, "fast", config, calibrate_rates=calibrate_rates, lead_bins=lead_bins)


def with_lead_in(settings: Settings, bins: int) -> Settings:
    """A shorter lead-in, where the family has one."""
    options = {"lead_in_bins": bins} if settings.family in CAUSAL else {}
    return replace(settings, config=replace(settings.config, **options))


def driven(recording: Recording) -> Recording:
    """What nothing drives, driven by a smooth velocity."""
    random = np.random.Generator(np.random.Philox(7))
    steps = random.standard_normal((recording.repeats, recording.bins + 8, 1))
    smooth = sum(steps[:, lag : lag + recording.bins] for lag in range(8)) / np.sqrt(8)
    return with_conditions(recording, smooth, ("velocity",), ("cm/s",))


def crops_of(run: Training) -> torch.Tensor:
    return run._data.crops(500, 32, torch.Generator().manual_seed(0))[0]


def weights(run: Training) -> np.ndarray:
    """Weights and running states."""
    return torch.cat([value.flatten() for value in run.model.state_dict().values()]).numpy()


def test_the_same_seed_takes_the_same_steps(recording, settings):
    runs = [Training(recording, replace(settings, seed=seed), "cpu") for seed in (0, 0, 1)]
    for run in runs:
        for _ in range(3):
            run.step()
    np.testing.assert_array_equal(weights(runs[0]), weights(runs[1]))
    assert not np.array_equal(weights(runs[0]), weights(runs[2]))
    np.testing.assert_array_equal(runs[0].sample(5, seed=1), runs[1].sample(5, seed=1))


def test_a_resumed_run_goes_on_as_if_nothing_had_happened(recording, settings, tmp_path):
    whole, first, second = (Training(recording, settings, "cpu") for _ in range(3))
    train(whole, tmp_path / "whole", None, steps=6)
    train(first, tmp_path / "cut", None, steps=3)
    assert resume_run(second, tmp_path / "cut")
    train(second, tmp_path / "cut", None, steps=6)
    assert second.steps == 6
    np.testing.assert_array_equal(weights(whole), weights(second))


def test_there_is_nothing_to_resume_at_first(recording, settings, tmp_path):
    assert not resume_run(Training(recording, settings, "cpu"), tmp_path)


def test_an_interruption_keeps_what_was_learned(recording, settings, tmp_path):
    """Ctrl-C in the middle of a step: it is finished, kept, and the resumed run is as one never interrupted."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run, whole, resumed = (Training(recording, settings, "cpu") for _ in range(3))
    model: Any = run.model
    fake_windows = model._fake_windows

    def interrupted(random):
        if run.steps == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return fake_windows(random)

    model._fake_windows = interrupted
    with pytest.raises(KeyboardInterrupt):
        train(run, tmp_path / "cut", None, steps=100)
    assert read_checkpoint(tmp_path / "cut")[1]["steps"] == 4
    assert not list((tmp_path / "cut").glob("*.part"))
    assert resume_run(resumed, tmp_path / "cut")
    train(resumed, tmp_path / "cut", None, steps=6)
    train(whole, tmp_path / "whole", None, steps=6)
    np.testing.assert_array_equal(weights(whole), weights(resumed))


def test_a_verdict_outlives_a_resume_with_the_step_it_was_made_at(recording, settings, tmp_path):
    first, second = (Training(recording, settings, "cpu") for _ in range(2))
    similarity = train(first, tmp_path, None, steps=2)
    resume_run(second, tmp_path)
    second.step()
    save_run(second, tmp_path)
    realism = read_checkpoint(tmp_path)[1]["realism"]
    assert second.similarity == similarity
    assert realism["judged_at_step"] == 2
    assert (
        realism["statistics"]["covariance"]["error"]
        == {each.statistic: each.error for each in similarity}["covariance"]
    )


@pytest.mark.parametrize(("family", "is_bound"), [("causal_gan", False), ("vae", True), ("spike_gan", None)])
def test_a_finished_model_keeps_how_well_it_predicts_until_it_goes_on(recording, tmp_path, family, is_bound):
    run = Training(recording, small(family), "cpu")
    train(run, tmp_path, None, steps=1)
    kept = parse_one_step(read_checkpoint(tmp_path)[1]["realism"])
    assert kept == run.one_step
    assert (kept.is_bound if kept is not None else None) is is_bound
    resumed = Training(recording, small(family), "cpu")
    resume_run(resumed, tmp_path)
    assert resumed.one_step == kept
    resumed.go_on()
    assert resumed.one_step is None


def test_other_data_under_the_same_name_are_not_gone_on_with(recording, settings, tmp_path):
    save_run(Training(recording, settings, "cpu"), tmp_path)
    inverted = replace(recording, counts=1 - recording.counts)
    with pytest.raises(BadInputError, match="holds another run .sha256"):
        resume_run(Training(inverted, settings, "cpu"), tmp_path)


def test_another_run_is_not_overwritten(recording, settings, tmp_path):
    save_run(Training(recording, settings, "cpu"), tmp_path)
    with pytest.raises(BadInputError, match=r"holds another run \(seed: 0, now 1\)"):
        resume_run(Training(recording, replace(settings, seed=1), "cpu"), tmp_path)
    other = replace(recording, name="another")
    with pytest.raises(BadInputError, match="name: 'correlated groups', now 'another'"):
        resume_run(Training(other, settings, "cpu"), tmp_path)


def test_a_setting_that_an_earlier_version_did_not_have_is_its_default(recording, tmp_path):
    settings = small("spike_gan", noise_filter=0)
    save_run(Training(recording, settings, "cpu"), tmp_path)
    tensors, described = read_checkpoint(tmp_path)
    del described["settings"]["config"]["noise_filter"]
    write_checkpoint(tmp_path, tensors, described)
    assert resume_run(Training(recording, settings, "cpu"), tmp_path)
    other = replace(settings, config=replace(settings.config, noise_filter=9))
    with pytest.raises(BadInputError, match="noise_filter: 0, now 9"):
        resume_run(Training(recording, other, "cpu"), tmp_path)


def test_a_checkpoint_that_lacks_a_part_of_the_model_is_refused(recording, settings, tmp_path):
    save_run(Training(recording, settings, "cpu"), tmp_path)
    tensors, described = read_checkpoint(tmp_path)
    del tensors["calibration"]
    write_checkpoint(tmp_path, tensors, described)
    with pytest.raises(BadInputError, match="of an earlier version, whose models lack calibration"):
        resume_run(Training(recording, settings, "cpu"), tmp_path)


def test_a_second_training_into_the_same_folder_is_refused(recording, settings, tmp_path):
    refused = []

    def second(progress):
        with pytest.raises(BadInputError, match="another training writes to"):
            train(Training(recording, settings, "cpu"), tmp_path, None, steps=1)
        refused.append(progress.steps)

    train(Training(recording, settings, "cpu"), tmp_path, None, steps=1, on_progress=second)
    assert refused == [0, 1, 1, 1, 1]  # before and after the step, and before what finishes the training
    train(Training(recording, settings, "cpu"), tmp_path, None, steps=1)  # free again


@pytest.mark.parametrize(
    "damage", [lambda content: content[: len(content) // 2], lambda content: b"", lambda content: b"x" * 100]
)
def test_a_damaged_checkpoint_is_told(recording, settings, tmp_path, damage):
    run = Training(recording, settings, "cpu")
    save_run(run, tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadInputError, match="not a readable checkpoint"):
        resume_run(run, tmp_path)


def test_a_missing_checkpoint_is_told(tmp_path):
    with pytest.raises(BadInputError, match="no checkpoint at"):
        read_checkpoint(tmp_path)


def test_where_no_folder_can_be_a_checkpoint_is_a_failure_that_says_what_to_do(recording, settings, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FailureError, match="could not write.*another --out"):
        save_run(Training(recording, settings, "cpu"), tmp_path / "file")


def test_what_is_held_out_is_not_trained_on(settings):
    """Unit 1 spikes in the repeats that are held out, and only there."""
    counts = np.zeros((10, 40, 2), int)
    counts[:, ::7, 0] = 1
    counts[4::5, ::7, 1] = 1
    run = Training(from_counts(counts, 0.02), settings, "cpu")
    assert crops_of(run)[:, :, 1].max() == 0
    assert run.validation.judged.counts[:, :, 1].max(axis=1).min() == 1
    everything = Training(from_counts(counts, 0.02), replace(settings, hold_out=0), "cpu")
    assert crops_of(everything)[:, :, 1].max() == 1


def test_similarity_improves_with_training(recording, settings, tmp_path):
    config = replace(settings.config, batch=32, bias_from_rates=False)
    run = Training(recording, replace(settings, config=config), "cpu")
    before = run.judge()[0].ratio
    after = train(run, tmp_path, None, steps=80)[0].ratio
    assert after < 0.7 * before


def test_the_checkpoint_carries_reference_and_realism(recording, settings, tmp_path):
    run = Training(recording, settings, "cpu")
    train(run, tmp_path, None, steps=1)
    tensors, description = read_checkpoint(tmp_path)
    windows = cut_windows(run.validation.training, 32)
    np.testing.assert_allclose(tensors["reference.rates"], windows.mean(axis=(0, 1)))
    assert description["realism"]["judged_on"] == "held-out repeats"
    assert set(description["realism"]["statistics"]) >= {"covariance", "population_count"}


def test_divergence_stops_the_run_and_keeps_the_last_checkpoint(recording, settings, tmp_path):
    run = Training(recording, settings, "cpu")

    @torch.no_grad()
    def ruin(progress):
        if progress.steps == 3:
            next(run.model.critic.parameters()).fill_(float("nan"))

    with pytest.raises(FailureError, match="training diverged at step 3"):
        train(run, tmp_path, None, steps=5, on_progress=ruin)
    tensors, description = read_checkpoint(tmp_path)
    assert description["steps"] == 0
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())


@pytest.mark.parametrize(
    ("counts", "options", "message"),
    [
        (np.full((10, 40, 2), 2), {}, "at most one spike in a bin, found 2"),
        (np.zeros((10, 40, 2)), {}, "found constant ones only"),
        (np.ones((10, 40, 2)), {}, "found constant ones only"),
        (np.eye(20)[np.newaxis].repeat(10, 0), {}, "at least 32 bins .one window. .* found 20 and 20"),
        (np.eye(40), {}, "found 32 and 8; is it .bins, units."),
        (np.eye(40)[np.newaxis].repeat(10, 0), {"window_bins": 30}, "multiple of 4 bins"),
    ],
)
def test_recordings_that_can_not_be_learned_are_refused(settings, counts, options, message):
    with pytest.raises(BadInputError, match=message):
        Training(from_counts(counts, 0.02), replace(settings, config=replace(settings.config, **options)), "cpu")


def test_unknown_names_are_told_what_there_is(recording, settings, tmp_path):
    with pytest.raises(BadInputError, match="there are causal_gan, vae, vae_gan, spike_gan"):
        preset("gan", "fast")
    with pytest.raises(BadInputError, match="no family named 'gan'; there are causal_gan"):
        suited_preset("gan", recording)
    with pytest.raises(BadInputError, match="has fast, long, paper, fully_connected"):
        preset("spike_gan", "slow")
    with pytest.raises(BadInputError, match="give --minutes or --steps"):
        train(Training(recording, settings, "cpu"), tmp_path, None, None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none_is_refused(recording, settings):
    with pytest.raises(BadInputError, match="no CUDA device"):
        Training(recording, settings, "cuda")


def test_checkpoints_name_no_path_of_the_machine(recording, settings, tmp_path):
    save_run(Training(recording, settings, "cpu"), tmp_path)
    description = json.dumps(read_checkpoint(tmp_path)[1])
    assert not re.search(r'"/', description)


def in_greater_numbers(recording: Recording) -> Recording:
    """Spikes of which some are two in a bin."""
    return replace(recording, counts=recording.counts + recording.counts[:, ::-1] * recording.counts[:, :, ::-1])


@pytest.mark.parametrize(
    ("family", "emits"), [("spike_gan", "bernoulli"), ("causal_gan", "bernoulli"), ("vae", "counts")]
)
def test_calibration_gives_every_unit_its_rate_and_leaves_the_run_as_it_is(recording, family, emits, monkeypatch):
    monkeypatch.setattr(training, "CALIBRATION_WINDOWS", 1024)
    recording = in_greater_numbers(recording) if emits == "counts" else recording
    run = Training(recording, with_lead_in(small(family), 8), "cpu")
    average = [parameter.clone() for parameter in run.model.average.parameters()]
    run.model.calibration += 1.5
    run.calibrate()
    found = run.sample(4000, seed=9).mean(axis=(0, 1))
    np.testing.assert_allclose(found, run.validation.expected_counts(), rtol=0.07)
    for before, after in zip(average, run.model.average.parameters(), strict=True):
        torch.testing.assert_close(before, after, rtol=0, atol=0)


def test_a_unit_that_never_fires_stays_silent(recording, monkeypatch):
    monkeypatch.setattr(training, "CALIBRATION_WINDOWS", 256)
    monkeypatch.setattr(training, "CALIBRATION_ROUNDS", 2)
    counts = recording.counts.copy()
    counts[..., 2] = 0
    run = Training(replace(recording, counts=counts), small("causal_gan"), "cpu")
    run.calibrate()
    found = run.sample(500, seed=9).mean(axis=(0, 1))
    assert (found > 0).tolist() == [True, True, False, True, True, True]


def test_of_two_stages_the_one_nearer_to_the_training_data_is_kept(recording, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CALIBRATION_WINDOWS", 256)
    monkeypatch.setattr(training, "CALIBRATION_ROUNDS", 2)
    options = {"likelihood_steps": 40, "critic_lead": 100, "lead_in_bins": 8}
    run = Training(recording, small("causal_gan", calibrate_rates=True, **options), "cpu")
    while run.steps < 42:
        run.step()
    model: Any = run.model
    first, last = (list(stage.parameters()) for stage in (model.first_stage, model.average))
    assert all(torch.equal(one, other) for one, other in zip(first, last, strict=True))  # the critic leads 100 steps
    with torch.no_grad():
        model.average.emission_head.weight.mul_(-20)  # as a critic that does harm
    run.finish()
    assert model.keeps_first_stage
    run.model.first_stage, run.model.average = run.model.average, run.model.first_stage
    run.finish()
    assert not run.model.keeps_first_stage
    save_run(run, tmp_path)
    again = Training(recording, run.settings, "cpu")
    resume_run(again, tmp_path)
    np.testing.assert_array_equal(run.sample(20, seed=1), again.sample(20, seed=1))


def test_a_lead_is_learned_with_the_conditions_of_so_many_bins_later():
    run = Training(stamped(10, 100), small("causal_gan", lead_bins=3), "cpu")
    counts, conditions = run._data.crops(500, 32, torch.Generator().manual_seed(0))
    assert torch.equal(conditions - counts, torch.tensor([0.0, 3.0]).expand_as(counts))


@pytest.mark.parametrize(
    ("bins", "lead_in", "drawn"), [(2000, 512, 1024), (875, 512, 700), (400, 288, 320), (160, 96, 128)]
)
def test_windows_are_drawn_one_after_the_other_after_a_long_lead_in(bins, lead_in, drawn, monkeypatch):
    """Four fifths of a continuous recording are trained on. Here a draw tells the bins of which it is."""
    place = np.arange(float(bins))[:, None]
    recording = with_conditions(from_counts(place % 2, 0.02), place, ("bin",))
    run = Training(recording, small("causal_gan"), "cpu")
    asked = []

    def draw(conditions, bins, random):
        asked.append((conditions[..., 0], bins))
        return conditions[:, -bins:] % 256

    monkeypatch.setattr(run.model, "draw", draw)
    windows = run.sample(1000, seed=1)
    assert windows.shape == (1000, 32, 1)
    assert (np.diff(windows.astype(int), axis=1) % 256 == 1).all()
    for conditions, bins_drawn in asked:
        assert (conditions.shape[1], bins_drawn) == (lead_in + drawn, drawn)
        assert (conditions[:, lead_in:].diff(dim=1) == 1).all()
        before = conditions[:, lead_in : lead_in + 1] - torch.arange(float(lead_in), 0, -1)
        assert torch.equal(conditions[:, :lead_in], before.clamp(min=0))
        assert conditions[:, lead_in].min() < lead_in  # the beginning is drawn too


@pytest.mark.parametrize("bins", [32, 33, 70])
@pytest.mark.parametrize("family", CAUSAL)
def test_repeats_shorter_than_a_lead_in_or_a_crop_are_learned(recording, family, bins, tmp_path):
    counts = np.resize(recording.counts, (20, bins, 6))
    run = Training(driven(from_counts(counts, 0.001)), small(family, likelihood_steps=1), "cpu")
    assert all(np.isfinite(each.error) for each in train(run, tmp_path, None, steps=3))
    assert run.sample(30, seed=1).shape == (30, 32, 6)


@pytest.mark.parametrize(
    ("family", "drives"),
    [("causal_gan", "velocity"), ("vae", "nothing"), ("vae_gan", "phase"), ("causal_gan", "nothing")],
)
def test_every_causal_family_resumes_in_either_stage_as_if_nothing_had_happened(recording, family, drives, tmp_path):
    """Two stages, the second with runs that begin and go on: cut within the first, between them, and in the second."""
    recording = {"nothing": recording, "phase": with_phase(recording), "velocity": driven(recording)}[drives]
    settings = small(family, likelihood_steps=3)
    whole, part = (Training(recording, settings, "cpu") for _ in range(2))
    for step in range(8):
        if step in (2, 3, 5, 6):
            save_run(part, tmp_path)
            part = Training(recording, settings, "cpu")
            assert resume_run(part, tmp_path)
            assert part.steps == step
        assert whole.step() == part.step()
    np.testing.assert_array_equal(weights(whole), weights(part))
    assert np.isfinite(weights(whole)).all()
    if whole.settings.config.adversarial:
        places = whole.model.places
        assert isinstance(places, torch.Tensor)
        assert places.any()
        assert {"places", "running_hidden", "running_previous", "running_history"} <= read_checkpoint(tmp_path)[
            0
        ].keys()


def test_counts_are_learned_as_such(recording, tmp_path):
    recording = driven(in_greater_numbers(recording))
    run = Training(recording, small("vae_gan", likelihood_steps=2), "cpu")
    train(run, tmp_path, None, steps=5)
    drawn = run.sample(200, seed=1)
    assert drawn.dtype == np.uint8
    assert 1 < drawn.max() <= recording.counts.max()
    described = read_checkpoint(tmp_path)[1]["recording"]
    assert described["distribution"] == run.population.distribution == "counts"


def test_what_only_the_held_out_repeats_emit_is_known_to_model_and_checkpoint(recording):
    """Two spikes in a bin are in repeats that are held out alone."""
    counts = recording.counts.copy()
    counts[4::5] *= 2
    run = Training(replace(recording, counts=counts), small("causal_gan"), "cpu")
    described = population_of_description(describe_run(run)["recording"])
    assert run.validation.training.counts.max() == 1
    assert (run.population.distribution, run.population.largest) == ("counts", 2)
    again = load_gan_family("causal_gan").model(run.settings.config, described)
    again.load_state_dict(run.model.state_dict())


def test_other_conditions_are_another_run(recording, tmp_path):
    settings = small("causal_gan")
    save_run(Training(with_phase(recording), settings, "cpu"), tmp_path)
    for other in (recording, driven(recording)):
        with pytest.raises(BadInputError, match="holds another run .channels"):
            resume_run(Training(other, settings, "cpu"), tmp_path)
    reversed_ = replace(driven(recording), driven_by=-driven(recording).conditions)
    save_run(Training(driven(recording), settings, "cpu"), tmp_path)
    with pytest.raises(BadInputError, match="holds another run .sha256"):
        resume_run(Training(reversed_, settings, "cpu"), tmp_path)
    with pytest.raises(BadInputError, match="holds another run"):
        resume_run(Training(driven(recording), replace(settings, lead_bins=2), "cpu"), tmp_path)


def test_samples_are_driven_as_the_recording_that_is_asked_for(recording):
    """Of a model that has learned nothing but to answer to its condition."""
    run = Training(driven(recording), small("causal_gan"), "cpu")
    with torch.no_grad():
        run.model.average.direct_effects.weight.normal_(std=3.0)
    training = run.validation.training
    still = replace(training, driven_by=np.full_like(training.conditions, 3.0))
    rates = [run.sample(2000, 1, each).mean((0, 1)) for each in (None, training, still)]
    np.testing.assert_array_equal(rates[0], rates[1])
    assert np.abs(rates[2] - rates[1]).max() > 0.02


def test_tuning_to_velocity_and_phase_is_learned():
    """Units with known log odds: one rises with velocity, one falls, one follows the phase alone."""
    random = np.random.Generator(np.random.Philox(3))
    velocity = np.repeat(random.standard_normal((120, 1, 1)), 50, axis=1)
    swing = 1.5 * np.cos(2 * np.pi * np.arange(50) / 50)[:, None]
    log_odds = np.concatenate([velocity - 1, -velocity - 1, np.broadcast_to(swing - 1, velocity.shape)], 2)
    recording = from_counts(random.random(log_odds.shape) < 1 / (1 + np.exp(-log_odds)), 0.02)
    phased = with_phase(recording)
    both = with_conditions(recording, np.concatenate([phased.conditions, velocity], 2), ("phase", "velocity"))
    both = replace(both, channels=(*phased.channels, both.channels[1]))
    options = {"likelihood_steps": 250, "dropout": 0.0, "likelihood_rate": 1e-2, "average_decay": 0.9}
    run = Training(both, small("causal_gan", **options), "cpu")
    for _ in range(250):
        run.step()
    cycles = torch.arange(100.0).remainder(50)[:, None].expand(400, -1, -1)
    for speed in (-1.5, 0.0, 1.5):
        driven_by = torch.cat([cycles, torch.full_like(cycles, speed)], 2)
        found = run.model.draw(driven_by, 50, torch.Generator().manual_seed(0)).mean(0).numpy()
        tuned = np.array([speed - 1, -speed - 1])
        np.testing.assert_allclose(found[:, :2].mean(0), 1 / (1 + np.exp(-tuned)), atol=0.15)
        if speed == 0:
            course, expected = (each.reshape(10, 5).mean(1) for each in (found[:, 2], 1 / (1 + np.exp(1 - swing))))
            assert np.corrcoef(course, expected)[0, 1] > 0.8
            np.testing.assert_allclose(course, expected, atol=0.2)


def test_a_preset_suits_a_recording_where_none_is_named(recording):
    short, long = recording, from_counts(np.zeros((1, 10**5, 2)), 0.02)
    many = replace(long, counts=long.counts + np.eye(10**5, 2, dtype=np.uint8) * 2)
    assert [suited_preset("vae_gan", each) for each in (short, long, many)] == ["short", "fast", "counts"]
    assert suited_preset("vae", replace(short, signal="fluorescence")) == "traces"
    assert suited_preset("spike_gan", short) == "fast"
    for family in FAMILIES.keys() - set(BASELINES):
        presets = load_gan_family(family).presets
        assert preset(family, suited_preset(family, many)).config in presets.values()


OLD_NAMES = {
    "input_projection": "read", "mode_logits": "choose", "factor_head": "say", "direct_factors": "say_directly",
    "emission_head": "emit", "recurrence": "look", "posterior_head": "infer", "time_course": "course",
    "population_histogram": "crowds", "histogram_step": "crowd",
}  # fmt: skip


@pytest.mark.parametrize("family", ["vae_gan", "spike_gan"])
def test_a_checkpoint_of_version_0_1_is_continued_as_it_was(recording, family, tmp_path):
    """Its tensors had other names; only the encoder's recurrent unit was not called `recurrence` then."""
    recording = driven(recording) if family == "vae_gan" else recording
    first, second = (Training(recording, small(family), "cpu") for _ in range(2))
    first.step()
    save_run(first, tmp_path)
    tensors, description = read_checkpoint(tmp_path)
    old = {
        name: ".".join(
            OLD_NAMES.get(part, part) if part != "recurrence" or "encoder" in name else part for part in name.split(".")
        )
        for name in tensors
        if not name.startswith(("optimizer.", "reference."))
    }
    assert {"emit", "say", "read", "choose", "look", "infer"} <= set(".".join(old.values()).split(".")) or (
        family == "spike_gan" and "generator.body.emit.weight" in old.values()
    )
    write_checkpoint(tmp_path, {old.get(name, name): value for name, value in tensors.items()}, description)
    assert resume_run(second, tmp_path)
    np.testing.assert_array_equal(weights(first), weights(second))
    assert first.step() == second.step()
