import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.batch.engine import Task
from spikeloop.streamer.batch.opening import open_engine
from spikeloop.streamer.batch.slurm import slurm_engine

JOB = {"SLURM_JOB_ID": "1"}


@pytest.mark.parametrize(
    "processes",
    [
        [JOB],
        [JOB | {"SLURM_NTASKS": "3", "SLURM_PROCID": str(process)} for process in range(3)],
        [
            JOB | {"SLURM_ARRAY_TASK_ID": str(job), "SLURM_ARRAY_TASK_MIN": "2", "SLURM_ARRAY_TASK_COUNT": "3",
                   "SLURM_ARRAY_TASK_STEP": "4", "SLURM_NTASKS": "2", "SLURM_PROCID": str(process)}
            for job in (2, 6, 10) for process in range(2)
        ],
    ],
)  # fmt: skip
def test_processes_of_a_job_run_every_task_once(processes):
    tasks = [
        Task(place, str(place), "", f"task {place}") for place in (0, 1, 2, 5, 6, 7, 8, 11, 20, 21, 22, 23, 24, 25)
    ]
    shares = [list(slurm_engine(environment).run(str, tasks)) for environment in processes]
    ran = [task for share in shares for task, _ in share]
    assert sorted(ran, key=lambda task: task.place) == tasks
    assert all(answer == task.text for share in shares for task, answer in share)
    assert max(map(len, shares)) - min(map(len, shares)) <= 3


def test_a_share_is_the_same_whatever_is_done_already():
    engine = slurm_engine(JOB | {"SLURM_NTASKS": "2", "SLURM_PROCID": "1"})
    tasks = [Task(place, "", "", "") for place in range(10)]
    assert [task.place for task, _ in engine.run(str, tasks)] == [1, 3, 5, 7, 9]
    assert [task.place for task, _ in engine.run(str, tasks[4:])] == [5, 7, 9]


def test_shares_by_number_run_every_task_once():
    tasks = [Task(place, "", "", "") for place in range(10)]
    shares = [[task.place for task, _ in open_engine(f"slurm:{share}/3").run(str, tasks)] for share in range(3)]
    assert shares == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]


@pytest.mark.parametrize("share", ["", "3", "3/3", "0/0", "-1/3", "1/x", "1/2/3"])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(BadInputError, match="--engine slurm:I/N: expected a share from 0/N to N-1/N, .*found"):
        open_engine(f"slurm:{share}")
