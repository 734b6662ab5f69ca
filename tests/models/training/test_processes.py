"""Training by two processes, the test's own and another, which meet over gloo."""

import os
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import distributed

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.families.shared_batch import Share
from spikeloop.models.training.checkpoint import read_checkpoint
from spikeloop.models.training.processes import ALONE, Processes, joined, training_device
from tests.support.broker import free_port
from tests.support.trained_together import CASES, INTERRUPTED_STEP, STEPS, alone, end_alone, play_through, training

ROUNDING = 1e-5  # of weights that steps of 1e-4 to 3e-3 make


@contextmanager
def _second_process(folder):
    """Another process that plays through the same trainings, and what this one has to know of it."""
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    command = [sys.executable, "-m", "tests.support.trained_together", str(folder)]
    second = subprocess.Popen(command, env=os.environ | place | {"RANK": "1", "LOCAL_RANK": "1"})
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (place | {"RANK": "0", "LOCAL_RANK": "0"}).items():
            patch.setenv(name, value)
        try:
            yield Processes.of_environment()
        finally:
            second.kill()
            second.wait()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Every training by one and by two, and what this process saw of those that it did not make alone."""
    folder = tmp_path_factory.mktemp("trainings")
    for case in CASES:
        alone(folder, case)
    stopped = ended = None
    with _second_process(folder) as processes:
        try:
            with pytest.raises(FailureError) as lost, joined(processes, training_device("cpu", processes)):
                stopped, ended = play_through(folder, processes)
                while True:  # until the other process has ended
                    processes.any(False)
        finally:
            distributed.destroy_process_group()
    for case in CASES:
        end_alone(folder, case)
    return folder, stopped, ended, str(lost.value)


@pytest.mark.parametrize("how", ["by both", "begun by one", "begun by both"])
@pytest.mark.parametrize("case", CASES)
def test_two_processes_learn_what_one_does(made, case, how):
    """Weights, states of runs and moments of gradients; also where a training goes on with another number of them."""
    expected, expected_description = read_checkpoint(made[0] / case / "by one")
    found, description = read_checkpoint(made[0] / case / how)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=ROUNDING, atol=ROUNDING, err_msg=name)
    assert description["steps"] == STEPS
    stages, expected_stages = description["stages"], expected_description["stages"]
    if expected_stages["stopping"] is not None:
        best, expected_best = (part["stopping"].pop("best") for part in (stages, expected_stages))
        assert best == (None if expected_best is None else pytest.approx(expected_best, rel=1e-4))
    assert stages == expected_stages


def test_an_interruption_of_one_process_ends_all_after_the_same_step(made):
    folder, stopped, _, _ = made
    assert stopped.steps == INTERRUPTED_STEP
    assert (folder / "second").read_text().split()[0] == str(INTERRUPTED_STEP)


def test_all_processes_return_what_the_first_one_found(made):
    folder, _, ended, _ = made
    assert len(ended.similarity) > 0
    assert (folder / "second").read_text().partition(" ")[2] == str([row.error for row in ended.similarity])
    one, other = (read_checkpoint(folder / name)[0]["generator.bias"] for name in ("interrupted", "windows/by one"))
    np.testing.assert_allclose(one, other, atol=ROUNDING)


def test_a_process_that_ends_ends_the_others(made):
    assert "process 1 of 2 lost another one" in made[3]


@pytest.mark.parametrize(("case", "batches"), [("windows", "8"), ("runs that go on, and a rule", "8 and 8")])
def test_processes_that_cannot_share_a_batch_evenly_are_refused(case, batches):
    with pytest.raises(BadInputError, match=rf"batches of {batches} evenly \(1, 2, 4, 8\), found 3; start as many"):
        training(case, Processes(0, 3, 0, 3))


def test_shares_are_together_what_one_process_has():
    shares = [Share(process, 4) for process in range(4)]
    numbers = torch.arange(24.0).view(8, 3)
    assert torch.equal(torch.cat([share.rows(numbers) for share in shares]), numbers)
    for draw in (Share.uniform, Share.normal):
        parts = [draw(share, (2, 3), torch.Generator().manual_seed(1)) for share in shares]
        assert torch.equal(torch.cat(parts), draw(Share(), (8, 3), torch.Generator().manual_seed(1)))


def test_a_mean_over_unequal_amounts_is_that_of_the_whole_batch():
    amounts = torch.tensor([1, 5, 2, 2])
    means = torch.tensor([3.0, 1.0, 2.0, 7.0])  # of each row
    parts = []
    for share in (Share(process, 2) for process in range(2)):
        own = share.rows(means * amounts).sum() / share.rows(amounts).sum()
        parts.append(own * share.weight(amounts))
    assert torch.stack(parts).mean().item() == pytest.approx((means * amounts).sum().item() / 10)
    assert Share().weight(amounts).item() == 1.0


def test_what_torchrun_says_is_read():
    said = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
    assert Processes.of_environment(said) == Processes(5, 8, 1, 4)
    assert Processes.of_environment({}) == Processes.of_environment({"WORLD_SIZE": "1"}) == ALONE
    with pytest.raises(BadInputError, match="WORLD_SIZE is '8': expected whole numbers in RANK, .* with torchrun"):
        Processes.of_environment({"WORLD_SIZE": "8"})


def test_each_process_of_a_machine_has_a_gpu_of_its_own(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert training_device("auto", Processes(5, 8, 1, 4)) == torch.device("cuda", 1)
    assert chosen == [1]
    with pytest.raises(BadInputError, match="at most 4 processes on this machine, one for each GPU, found 8"):
        training_device("auto", Processes(5, 8, 5, 8))
