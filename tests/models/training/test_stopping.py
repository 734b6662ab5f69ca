"""When a part of the recording that is kept ends a training."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from spikeloop.models.errors import BadInputError
from spikeloop.models.families.causal_gan import CausalGan
from spikeloop.models.families.causal_presets import PRESETS, VAE_PRESETS
from spikeloop.models.families.registry import Settings
from spikeloop.models.measures.similarity import Similarity
from spikeloop.models.recordings.recording import Recording, from_counts
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.models.training import forecast, stopping, trainer
from spikeloop.models.training.checkpoint import read_checkpoint
from spikeloop.models.training.progress import Progress
from spikeloop.models.training.run import Training
from spikeloop.models.training.saved_run import resume_run, save_run
from spikeloop.models.training.trainer import train

SMALL = replace(
    PRESETS["fast"],
    window_bins=8,
    lead_in_bins=8,
    crop_bins=8,
    state_size=8,
    drive_size=4,
    features=4,
    batch=4,
    likelihood_batch=4,
    likelihood_steps=6,
    critic_lead=1,
    encoder_size=4,
)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return correlated_groups(windows=100, window_bins=32, units=4, spike_probability=0.1, seed=1)


@pytest.fixture
def settings() -> Settings:
    return Settings("causal_gan", "fast", SMALL, calibrate_rates=False, stop_early=True)


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(stopping, "LIKELIHOOD_CHECK_STEPS", 2)
    monkeypatch.setattr(stopping, "CRITIC_CHECK_STEPS", 2)
    monkeypatch.setattr(stopping, "JUDGED_WINDOWS", 16)


def losses(run: Training, monkeypatch, *values: float) -> None:
    """Let the checks of the first stage find these."""
    found = iter(values)
    monkeypatch.setattr(run.model, "likelihood_loss", lambda data, random: next(found))


def ratios(monkeypatch, *values: float) -> None:
    """Let the checks of the second stage find these."""
    found = iter(values)
    monkeypatch.setattr(stopping, "judge", lambda windows, distances: (Similarity("rates", next(found), 1.0, 2.0),))


def average(run: Training) -> torch.Tensor:
    return torch.cat([value.flatten() for value in run.model.average.state_dict().values()]).clone()


def test_what_is_kept_is_neither_trained_on_nor_held_out(settings):
    """Each of 50 repeats spikes in a number of bins of its own."""
    counts = (np.arange(100) < np.arange(50)[:, None])[..., None]
    run = Training(from_counts(counts, 0.02), settings, "cpu")
    parts = [run.validation.training, run.validation.kept, run.validation.judged]
    repeats = [set(part.counts.sum((1, 2)).tolist()) for part in parts if part is not None]
    assert [len(each) for each in repeats] == [36, 4, 10]
    assert len(set.union(*repeats)) == 50
    seen = run._data.crops(1000, 100, torch.Generator().manual_seed(0))[0].sum((1, 2))
    assert set(seen.int().tolist()) == repeats[0]


def test_a_recording_too_short_to_keep_a_part_trains_on_all(settings):
    run = Training(
        correlated_groups(windows=40, window_bins=8, units=4, spike_probability=0.1, seed=1), settings, "cpu"
    )
    assert run.validation.kept is None
    assert run.stopping is None
    assert not run.over


def test_after_checks_that_bring_nothing_the_rate_falls_and_the_first_stage_ends_at_its_best(
    recording, settings, monkeypatch
):
    monkeypatch.setattr(stopping, "LIKELIHOOD_PATIENCE", 2)
    run = Training(recording, replace(settings, config=replace(SMALL, likelihood_steps=1000)), "cpu")
    losses(run, monkeypatch, 3.0, 2.0, 2.1, 2.0, 1.9, 2.2)
    weights, rates = [], []
    while run.steps < 11:
        run.step()
        weights.append(average(run))
        rates.append(run.optimizers["likelihood"].param_groups[0]["lr"])
    assert run.model.first_stage_steps == run.model.likelihood_steps == 11  # a third more than the 8 of the last check
    assert rates[7] > 0.99 * SMALL.likelihood_rate
    assert rates[10] < 0.2 * SMALL.likelihood_rate
    assert torch.equal(weights[10], weights[9])  # after 11 steps those of the check after 10
    model: Any = run.model
    run.step()
    first = torch.cat([value.flatten() for value in model.first_stage.state_dict().values()])
    assert torch.equal(first, weights[9])
    assert model.places.any()  # the critic's runs have begun
    assert not run.over


def test_the_first_stage_ends_with_its_steps_at_the_latest(recording, settings):
    run = Training(recording, settings, "cpu")
    while run.steps < 7:
        run.step()
    assert run.model.first_stage_steps == 6
    assert run.model.stages(7) == (0, 1)


def test_an_autoencoder_alone_is_over_when_its_bound_no_longer_improves(recording, settings, monkeypatch, tmp_path):
    monkeypatch.setattr(stopping, "LIKELIHOOD_PATIENCE", 1)
    run = Training(recording, autoencoder(settings), "cpu")
    losses(run, monkeypatch, 3.0, 2.0, 2.5, 2.5)
    train(run, tmp_path, None, steps=100)
    assert (run.steps, run.over) == (8, True)  # a third more than those of the check that brought nothing


def autoencoder(settings: Settings) -> Settings:
    """The same, without a critic, and longer."""
    config = VAE_PRESETS["fast"]
    sizes = {name: value for name, value in vars(SMALL).items() if name not in ("slow_latents", "adversarial")}
    sizes["likelihood_steps"] = 100
    return replace(settings, family="vae", config=replace(config, **sizes))


def test_the_second_stage_ends_after_checks_that_bring_nothing_and_its_best_weights_are_kept(
    recording, settings, monkeypatch, tmp_path
):
    monkeypatch.setattr(stopping, "CRITIC_PATIENCE", 2)
    ratios(monkeypatch, 3.0, 2.0, 2.2, 2.1)
    run, at, reports = Training(recording, settings, "cpu"), {}, []

    def watch(progress: Progress) -> None:
        at.setdefault(progress.steps, average(run))
        reports.append(progress)

    train(run, tmp_path, None, steps=1000, on_progress=watch)
    assert (run.steps, run.over) == (6 + 8, True)
    assert torch.equal(average(run), at[6 + 4])
    said = "nothing better on what is kept since step 10, whose weights are taken"
    assert [progress.stopped for progress in reports[-2:]] == [said, said]
    stages = read_checkpoint(tmp_path)[1]["stages"]
    assert stages["first_stage_steps"] == 6
    assert stages["stopping"] == {"over": True, "best": 2.0, "best_step": 10, "checks_since": 2, "annealing": False}


def test_while_the_critic_learns_alone_nothing_is_checked(recording, settings, monkeypatch, tmp_path):
    """Its first check is of the generator of the first stage; a generator that stands still can't become better."""
    monkeypatch.setattr(stopping, "CRITIC_PATIENCE", 1)
    ratios(monkeypatch, 3.0, 2.0, 2.2)
    run = Training(recording, replace(settings, config=replace(SMALL, critic_lead=20)), "cpu")
    train(run, tmp_path, None, steps=1000)
    assert run.steps == 6 + 20 + 4


def test_a_run_that_is_over_stays_so_when_it_is_continued(recording, settings, monkeypatch, tmp_path):
    monkeypatch.setattr(stopping, "CRITIC_PATIENCE", 1)
    ratios(monkeypatch, 2.0, 2.5)
    run, again = (Training(recording, settings, "cpu") for _ in range(2))
    train(run, tmp_path, None, steps=1000)
    train(again, tmp_path, None, steps=1000)
    assert again.steps == run.steps == 10
    assert torch.equal(average(again), average(run))


@pytest.mark.parametrize("cut", [2, 5, 7, 11])
def test_a_resumed_run_makes_the_same_steps_and_stops_where_it_would_have(recording, settings, tmp_path, cut):
    """Cut in either stage, at a check and between two; finished before it is continued, as at the end of its time."""
    whole, part = (Training(recording, settings, "cpu") for _ in range(2))
    train(part, tmp_path, None, steps=cut)
    resumed = Training(recording, settings, "cpu")
    assert resume_run(resumed, tmp_path)
    resumed.go_on()
    while whole.steps < 14:
        loss = whole.step()
        if whole.steps > cut:
            assert resumed.step() == loss
    assert torch.equal(average(whole), average(resumed))
    assert whole.stages() == resumed.stages()


def test_no_longer_stopping_is_another_run(recording, settings, tmp_path):
    save_run(Training(recording, settings, "cpu"), tmp_path)
    with pytest.raises(BadInputError, match="holds another run .stop_early: True, now False"):
        resume_run(Training(recording, replace(settings, stop_early=False), "cpu"), tmp_path)


def test_the_first_stage_has_a_share_of_the_time(recording, settings, monkeypatch):
    run = Training(recording, replace(settings, config=replace(SMALL, likelihood_steps=1000)), "cpu")
    monkeypatch.setattr(run, "time_steps", lambda: (0.1, 0.3))
    assert forecast.plan(run, 1) == (0.1, 0.3)
    assert run.model.first_stage_steps == run.model.likelihood_steps == 240  # 40 % of 60 s, of 0.1 s each
    forecast.plan(run, 500)
    assert run.model.first_stage_steps == 1000
    monkeypatch.setattr(run, "time_steps", lambda: (26.0, 28.0))
    forecast.plan(run, 1)
    assert run.model.first_stage_steps == 200  # a machine that was busy for a moment does not cost it the first stage
    without = Training(recording, replace(run.settings, stop_early=False), "cpu")
    forecast.plan(without, 0.5)
    assert without.model.first_stage_steps == 1000


def test_what_a_model_does_once_at_its_beginning_is_not_timed(recording, settings, monkeypatch):
    now = [0.0]
    cost = {0: 1000.0}

    def learn(self, step, data, optimizers, random):
        now[0] += cost.get(step, 0.125 if step < self.first_stage_steps else 0.25)
        return 0.0

    monkeypatch.setattr(CausalGan, "learn", learn)
    monkeypatch.setattr("spikeloop.models.training.run.time.perf_counter", lambda: now[0])
    assert Training(recording, settings, "cpu").time_steps() == (0.125, 0.25)


@pytest.mark.parametrize(("step_s", "planned"), [(0.05, 1000), (0.1, 800), (10.0, 534)])
def test_a_machine_that_becomes_slower_or_faster_has_the_first_stage_planned_anew(recording, settings, step_s, planned):
    run = Training(recording, replace(settings, config=replace(SMALL, likelihood_steps=1000)), "cpu")
    run.model.plan_first_stage(600)
    run.steps, run.trained_s = 400, 200.0
    forecast.replan(run, 10, step_s)  # of which 240 s are the first stage's
    assert run.model.first_stage_steps == run.model.likelihood_steps == planned


def test_a_training_plans_its_first_stage_anew_as_it_goes(recording, settings, monkeypatch, tmp_path):
    settings = replace(settings, config=replace(SMALL, likelihood_steps=1000))
    monkeypatch.setattr(Training, "time_steps", lambda run: (10.0, 10.0))  # a busy moment
    monkeypatch.setattr(trainer, "REPLANNED_STEPS", 5)
    run, planned = Training(recording, settings, "cpu"), {}

    def watch(progress: Progress) -> None:
        planned.setdefault(progress.steps, run.model.first_stage_steps)

    train(run, tmp_path, 60, steps=7, on_progress=watch)
    assert (planned[4], planned[6]) == (200, 1000)


def test_a_first_stage_that_is_about_to_end_is_not_planned_anew(recording, settings):
    run = Training(recording, replace(settings, config=replace(SMALL, likelihood_steps=1000)), "cpu")
    run.model.plan_first_stage(600)
    run.steps = 400
    assert run.stopping is not None
    run.stopping.annealing = True
    forecast.replan(run, 10, 0.1)
    assert run.model.likelihood_steps == 600
    run.stopping.annealing = False
    run.steps = 600
    forecast.replan(run, 10, 0.1)
    assert run.model.likelihood_steps == 600


def test_a_forecast_says_what_there_is_and_how_long_it_takes(recording, settings):
    run = Training(recording, settings, "cpu")
    found = forecast.forecast(run, (0.5, 2.0), minutes=None, steps=9)
    bins = (found.training_bins, found.kept_bins, found.held_out_bins)
    assert bins == (72 * 32, 8 * 32, 20 * 32)
    assert (found.windows, found.window_bins, found.units) == (72 * 4, 8, 4)
    assert found.minutes == pytest.approx((6 * 0.5 + 3 * 2.0) / 60)
    assert found.independent > 1  # groups are correlated
    assert (
        "2,304 bins of 4 units (288 windows of 8), 256 bins decide when to stop, 640 are held out" in found.lines()[0]
    )
    assert "steps of 500 and 2000 ms, about 6 of the first stage; at most 0.1 min" in found.lines()[2]


def test_timing_steps_changes_nothing(recording, settings):
    timed, other = (Training(recording, settings, "cpu") for _ in range(2))
    assert len(timed.time_steps()) == 2
    for _ in range(8):
        assert timed.step() == other.step()
    assert len(Training(recording, autoencoder(settings), "cpu").time_steps()) == 1
