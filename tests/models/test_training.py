import json
import os
import re
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from spikeloop.models.checkpoint import CHECKPOINT, read_checkpoint
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.families import FAMILIES, Settings, preset
from spikeloop.models.recordings.recording import cut_windows, from_counts
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.models.training import Training, train


@pytest.fixture(scope="module")
def recording():
    return correlated_groups(windows=60, window_bins=64, units=6, spike_probability=0.1, seed=1)


@pytest.fixture
def settings():
    config = replace(FAMILIES["spike_gan"][2]["fast"], batch=8, features=8, latent_size=16)
    return Settings("spike_gan", "fast", config, calibrate_rates=False)


def weights(run: Training) -> np.ndarray:
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
    assert second.resume(tmp_path / "cut")
    train(second, tmp_path / "cut", None, steps=6)
    assert second.steps == 6
    np.testing.assert_array_equal(weights(whole), weights(second))


def test_there_is_nothing_to_resume_at_first(recording, settings, tmp_path):
    assert not Training(recording, settings, "cpu").resume(tmp_path)


def test_an_interruption_keeps_what_was_learned(recording, settings, tmp_path):
    """Ctrl-C in the middle of a step: it is finished, kept, and the resumed run is as one never interrupted."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run, whole, resumed = (Training(recording, settings, "cpu") for _ in range(3))
    fake_windows = run.model._fake_windows

    def interrupted(random):
        if run.steps == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return fake_windows(random)

    run.model._fake_windows = interrupted
    with pytest.raises(KeyboardInterrupt):
        train(run, tmp_path / "cut", None, steps=100)
    assert read_checkpoint(tmp_path / "cut")[1]["steps"] == 4
    assert not list((tmp_path / "cut").glob("*.part"))
    assert resumed.resume(tmp_path / "cut")
    train(resumed, tmp_path / "cut", None, steps=6)
    train(whole, tmp_path / "whole", None, steps=6)
    np.testing.assert_array_equal(weights(whole), weights(resumed))


def test_a_verdict_outlives_a_resume_with_the_step_it_was_made_at(recording, settings, tmp_path):
    first, second = (Training(recording, settings, "cpu") for _ in range(2))
    likeness = train(first, tmp_path, None, steps=2)
    second.resume(tmp_path)
    second.step()
    second.save(tmp_path)
    realism = read_checkpoint(tmp_path)[1]["realism"]
    assert second.likeness == likeness
    assert realism["judged_at_step"] == 2
    assert (
        realism["statistics"]["covariance"]["error"] == {each.statistic: each.error for each in likeness}["covariance"]
    )


def test_other_data_under_the_same_name_are_not_gone_on_with(recording, settings, tmp_path):
    Training(recording, settings, "cpu").save(tmp_path)
    inverted = replace(recording, counts=1 - recording.counts)
    with pytest.raises(BadInputError, match="holds another run .sha256"):
        Training(inverted, settings, "cpu").resume(tmp_path)


def test_another_run_is_not_overwritten(recording, settings, tmp_path):
    Training(recording, settings, "cpu").save(tmp_path)
    with pytest.raises(BadInputError, match=r"holds another run \(seed: 0, now 1\)"):
        Training(recording, replace(settings, seed=1), "cpu").resume(tmp_path)
    other = replace(recording, name="another")
    with pytest.raises(BadInputError, match="name: 'correlated groups', now 'another'"):
        Training(other, settings, "cpu").resume(tmp_path)


def test_a_second_training_into_the_same_folder_is_refused(recording, settings, tmp_path):
    refused = []

    def second(progress):
        with pytest.raises(BadInputError, match="another training writes to"):
            train(Training(recording, settings, "cpu"), tmp_path, None, steps=1)
        refused.append(progress.steps)

    train(Training(recording, settings, "cpu"), tmp_path, None, steps=1, on_progress=second)
    assert refused == [0, 1]
    train(Training(recording, settings, "cpu"), tmp_path, None, steps=1)  # free again


@pytest.mark.parametrize(
    "damage", [lambda content: content[: len(content) // 2], lambda content: b"", lambda content: b"x" * 100]
)
def test_a_damaged_checkpoint_is_told(recording, settings, tmp_path, damage):
    run = Training(recording, settings, "cpu")
    run.save(tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadInputError, match="not a readable checkpoint"):
        run.resume(tmp_path)


def test_a_missing_checkpoint_is_told(tmp_path):
    with pytest.raises(BadInputError, match="no checkpoint at"):
        read_checkpoint(tmp_path)


def test_where_no_folder_can_be_a_checkpoint_is_a_failure_that_says_what_to_do(recording, settings, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FailureError, match="could not write.*another --out"):
        Training(recording, settings, "cpu").save(tmp_path / "file")


def test_training_windows_never_cross_a_seam(settings):
    stamp = np.arange(10)[:, None] % 2 * np.ones((1, 40), int)  # repeats of only 0 and of only 1
    run = Training(from_counts(stamp[:, :, None] * np.ones((1, 1, 2), int), 0.02), settings, "cpu")
    windows = run._real_windows(500).numpy()
    assert windows.shape == (500, 32, 2)
    np.testing.assert_array_equal(windows.min(axis=(1, 2)), windows.max(axis=(1, 2)))
    assert set(windows[:, 0, 0]) == {0, 1}


def test_what_is_held_out_is_not_trained_on(settings):
    """Unit 1 spikes in the repeats that are held out, and only there."""
    counts = np.zeros((10, 40, 2), int)
    counts[:, ::7, 0] = 1
    counts[4::5, ::7, 1] = 1
    run = Training(from_counts(counts, 0.02), settings, "cpu")
    assert run._real_windows(500)[:, :, 1].max() == 0
    assert run.examination.judged.counts[:, :, 1].max(axis=1).min() == 1
    everything = Training(from_counts(counts, 0.02), replace(settings, hold_out=0), "cpu")
    assert everything._real_windows(500)[:, :, 1].max() == 1


def test_likeness_improves_with_training(recording, settings, tmp_path):
    config = replace(settings.config, batch=32, bias_from_rates=False)
    run = Training(recording, replace(settings, config=config), "cpu")
    before = run.judge()[0].ratio
    after = train(run, tmp_path, None, steps=80)[0].ratio
    assert after < 0.7 * before


def test_the_checkpoint_carries_reference_and_realism(recording, settings, tmp_path):
    run = Training(recording, settings, "cpu")
    train(run, tmp_path, None, steps=1)
    tensors, description = read_checkpoint(tmp_path)
    windows = cut_windows(run.examination.training, 32)
    np.testing.assert_allclose(tensors["reference.rates"], windows.mean(axis=(0, 1)))
    assert description["realism"]["judged_on"] == "held-out repeats"
    assert set(description["realism"]["statistics"]) >= {"covariance", "population count"}


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
    with pytest.raises(BadInputError, match="there are causal_gan, spike_gan"):
        preset("gan", "fast")
    with pytest.raises(BadInputError, match="has fast, paper, fully_connected"):
        preset("spike_gan", "slow")
    with pytest.raises(BadInputError, match="give --minutes or --steps"):
        train(Training(recording, settings, "cpu"), tmp_path, None, None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none_is_refused(recording, settings):
    with pytest.raises(BadInputError, match="no CUDA device"):
        Training(recording, settings, "cuda")


def test_checkpoints_name_no_path_of_the_machine(recording, settings, tmp_path):
    Training(recording, settings, "cpu").save(tmp_path)
    description = json.dumps(read_checkpoint(tmp_path)[1])
    assert not re.search(r'"/', description)


@pytest.mark.parametrize("family", ["spike_gan", "causal_gan"])
def test_calibration_gives_every_unit_its_rate_and_leaves_the_run_as_it_is(recording, family, tmp_path):
    sizes = {"features": 8, "batch": 8} | ({"state_size": 16} if family == "causal_gan" else {"latent_size": 16})
    config = replace(FAMILIES[family][2]["fast"], **sizes)
    run = Training(recording, Settings(family, "fast", config), "cpu")
    average = [parameter.clone() for parameter in run.model.average.parameters()]
    run.model.calibration += 1.5
    run.calibrate()
    found = run.sample(8000, seed=9).mean(axis=(0, 1))
    np.testing.assert_allclose(found, run.examination.counts_of_windows(), rtol=0.05)
    for before, after in zip(average, run.model.average.parameters(), strict=True):
        torch.testing.assert_close(before, after, rtol=0, atol=0)


def test_of_two_stages_the_one_nearer_to_the_training_data_is_kept(recording, tmp_path):
    config = replace(FAMILIES["causal_gan"][2]["fast"], features=8, batch=8, state_size=16, likelihood_steps=40)
    run = Training(recording, Settings("causal_gan", "fast", config), "cpu")
    while run.steps < 42:
        run.step()
    first, last = (list(stage.parameters()) for stage in (run.model.first_stage, run.model.average))
    assert all(torch.equal(one, other) for one, other in zip(first, last, strict=True))  # the critic leads 100 steps
    with torch.no_grad():
        run.model.average.emit.weight.mul_(-3)  # as a critic that does harm
    run.finish()
    assert run.model.keeps_first_stage
    run.model.first_stage, run.model.average = run.model.average, run.model.first_stage
    run.finish()
    assert not run.model.keeps_first_stage
    run.save(tmp_path)
    again = Training(recording, run.settings, "cpu")
    again.resume(tmp_path)
    np.testing.assert_array_equal(run.sample(20, seed=1), again.sample(20, seed=1))
