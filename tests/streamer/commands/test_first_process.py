import sys

import pytest

import spikeloop
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.streamer.commands import first_process
from spikeloop.streamer.commands.first_process import first_prints


@pytest.fixture
def number(request, monkeypatch):
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, str(request.param))
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "2")
    monkeypatch.setattr(first_process, "FIRST_S", 0.0)
    return request.param


@pytest.mark.parametrize("number", [0, 1], indirect=True)
def test_the_first_process_alone_prints(number, capsys):
    with first_prints():
        print("result")
        print("status", file=sys.stderr)
    expected = ("result\n", "status\n") if number == 0 else ("", "")
    assert tuple(capsys.readouterr()) == expected


@pytest.mark.parametrize("number", [0, 1], indirect=True)
def test_an_error_of_any_process_is_reported(number):
    with pytest.raises(BadInputError, match="no such file"), first_prints():
        raise BadInputError("no such file")


@pytest.mark.parametrize("number", [0], indirect=True)
def test_a_baseline_is_not_fitted_by_several_processes(number, tmp_path):
    recording = correlated_groups(windows=40, window_bins=64, units=4, spike_probability=0.1, seed=1)
    with pytest.raises(BadInputError, match="fitted by one process; start it without torchrun"):
        spikeloop.train(recording, out=tmp_path, family="dichotomized_gaussian")
