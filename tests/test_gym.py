"""The environment, as an agent meets it."""

import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from spikeloop.gym import ENVIRONMENT, ClosedLoopEnv
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.closedloop.closed_loop import closed_loop
from spikeloop.streamer.closedloop.experiment.tasks import Grid
from tests.support.compared import TASK, UNITS, tiny


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("bundle") / "tiny")


def finished(env, seed: int | None = 0, act=lambda info: info["intended_velocity_cm_s"]):
    """All observations, rewards and infos of an episode."""
    counts, info = env.reset(seed=seed)
    seen, rewards, infos, terminated = [counts], [], [info], False
    while not terminated:
        counts, reward, terminated, truncated, info = env.step(act(info))
        assert not truncated
        seen.append(counts)
        rewards.append(reward)
        infos.append(info)
    return np.array(seen), rewards, infos


def test_the_checker_of_gymnasium_finds_no_fault(path):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*action space.*normalized")
        check_env(ClosedLoopEnv(path, task=TASK), skip_render_check=True)


def test_it_is_made_by_its_name(path):
    env = gymnasium.make(ENVIRONMENT, bundle=path, task=TASK)
    counts, _ = env.reset(seed=0)
    assert env.observation_space.contains(counts)
    assert counts.shape == (UNITS,)
    env.close()


def test_who_acts_as_the_user_intends_acquires_every_target(path):
    _, rewards, infos = finished(ClosedLoopEnv(path, task=TASK, trials=4))
    assert sum(rewards) == 4
    assert [info["outcome"] for info in infos if info["outcome"]] == ["success"] * 4
    assert infos[-1]["on_target"]
    assert infos[-1]["trial"] == 3


def test_who_stands_still_is_timed_out_without_reward(path):
    _, rewards, infos = finished(ClosedLoopEnv(path, task=TASK), act=lambda info: np.zeros(2))
    assert set(rewards) == {0.0}
    assert infos[-1]["outcome"] == "timeout"
    assert len(rewards) == pytest.approx((TASK.timeout_s + TASK.pause_s) / 0.02, abs=1)


def test_a_wrong_cell_costs(path):
    task = Grid(cells=3, timeout_s=2.0)
    rewards = [
        finished(ClosedLoopEnv(path, task=task), seed, lambda info: np.array([60.0, 60.0]))[1] for seed in range(6)
    ]
    assert {sum(each) for each in rewards} == {-1.0, 1.0} or {sum(each) for each in rewards} == {-1.0}


def test_an_episode_is_the_session_of_the_same_seed(path):
    """The oracle decodes what its user intends, and so does this agent."""
    seen, _, infos = finished(ClosedLoopEnv(path, task=TASK, trials=3), seed=5)
    session = closed_loop("oracle", bundle=path, task=TASK, trials=3, seeds=5, calibration_s=0)
    block = session.runs[0].record.blocks[-1]
    np.testing.assert_array_equal(seen[:-1], block.counts)
    np.testing.assert_array_equal(np.array([info["cursor_cm"] for info in infos[1:]]), block.position)


def test_the_seed_decides_and_later_episodes_differ(path):
    env = ClosedLoopEnv(path, task=TASK)
    first, second = finished(env, 3)[0], finished(env, None)[0]
    again = ClosedLoopEnv(path, task=TASK)
    np.testing.assert_array_equal(finished(again, 3)[0], first)
    np.testing.assert_array_equal(finished(again, None)[0], second)
    assert first.shape != second.shape or not np.array_equal(first, second)


def test_a_lost_bin_is_seen_as_zeros(path):
    seen, _, _ = finished(ClosedLoopEnv(path, task=TASK, perturbations=["loss:1"]))
    assert not seen.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "trials: expected a whole number from 1 to 100000, found 0"),
        ({"trials": 2.5}, "trials: expected a whole number"),
        ({"trials": np.nan}, "trials: expected a whole number"),
        ({"trials": True}, "trials: expected a whole number"),
        ({"trials": "2"}, "trials: expected a whole number"),
        ({"trials": 10**400}, "trials: expected a whole number from 1 to 100000"),
        ({"perturbations": np.array(3)}, "--perturb: expected"),
        ({"trials": np.inf}, "trials: expected a whole number"),
        ({"device": 0}, "device: expected auto"),
        ({"device": "nope"}, "device: expected auto"),
        ({"perturbations": None}, "--perturb: expected"),
        ({"task": None}, "--task: expected"),
        ({"task": 3}, "--task: expected"),
        ({"perturbations": 3}, "--perturb: expected"),
        ({"task": "chess"}, "--task: expected"),
        ({"user": "lsl:mouse"}, "lives in real time"),
        ({"user": "nobody"}, "--user: expected"),
        ({"perturbations": ["earthquake:3"]}, "--perturb: expected"),
        ({"bundle": "retina"}, "driven by 'velocity x'"),
        ({"bundle": "no such bundle"}, "no such bundle"),
    ],
)
def test_what_can_not_be_is_refused_when_it_is_made(path, options, message):
    with pytest.raises(BadInputError, match=message):
        ClosedLoopEnv(**{"bundle": path} | options)


def test_a_step_needs_an_episode_and_a_velocity(path):
    env = ClosedLoopEnv(path, task=TASK)
    with pytest.raises(BadInputError, match=r"call reset\(\)"):
        env.step(np.zeros(2, np.float32))
    env.reset(seed=0)
    for wrong in (
        np.zeros(3),
        [np.nan, 0.0],
        1.0,
        [[1], [2, 3]],
        ["1", "2"],
        [True, False],
        [1j, 0],
        None,
        "x",
        {},
        10**400,
    ):
        with pytest.raises(BadInputError, match=r"finite action of shape \(2,\)"):
            env.step(wrong)  # type: ignore[arg-type]
    for wrong in (-1, 2.5, np.nan, True, "1"):
        with pytest.raises(BadInputError, match="--seed"):
            env.reset(seed=wrong)  # type: ignore[arg-type]


def test_a_seed_of_numpy_is_that_of_python(path):
    env = ClosedLoopEnv(path, task=TASK)
    expected = env.reset(seed=3)[0]
    for seed in (np.int64(3), np.int8(3)):
        np.testing.assert_array_equal(env.reset(seed=seed)[0], expected)  # type: ignore[arg-type]


def test_without_gymnasium_it_says_what_to_install():
    program = "import sys; sys.modules['gymnasium'] = None; import spikeloop.gym"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "FailureError" in found.stderr
    assert 'pip install "gymnasium>' in found.stderr
