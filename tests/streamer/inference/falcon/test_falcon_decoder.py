import importlib
import importlib.util
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from spikeloop.models.decoders.decoder import decode
from spikeloop.models.decoders.spec import parse_decoder
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.inference.falcon.falcon_decoder import FalconDecoder
from spikeloop.streamer.inference.falcon.task_config import hydra_or_stand_in
from spikeloop.streamer.inference.open_decoder import open_decoder
from tests.support.falcon_samples import falcon_samples

UNITS, BIN_S = 5, 0.02
RECORDER = """
class Recorder:
    def __init__(self, task_config, gain=1.0, batch_size=1):
        self.config, self.gain, self.calls, self.batch_size = task_config, gain, [], batch_size

    def reset(self, dataset_tags=[""]):
        self.calls.append(("reset", dataset_tags))

    def predict(self, neural_observations):
        self.calls.append(("predict", neural_observations))
        return self.gain * neural_observations[:, : self.config.out_dim].astype(float)

    def observe(self, neural_observations):
        self.calls.append(("observe", neural_observations))

    def on_done(self, dones):
        self.calls.append(("on_done", dones))

class Flat(Recorder):
    def predict(self, neural_observations):
        return [[1.0], [2.0]]

class Bare:
    def __init__(self, task_config):
        pass

    def predict(self, neural_observations):
        return neural_observations[0, :2]

class Mute:
    def __init__(self, task_config):
        pass
"""


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "recorder.py"
    path.write_text(RECORDER)
    return path


def opened(text, units=UNITS):
    return open_decoder(parse_decoder(text), units=units, bin_size_s=BIN_S, seed=0)


def inside_of(decoder) -> Any:
    assert isinstance(decoder, FalconDecoder)
    return decoder.decoder


def counts_of(random, bins=70, units=UNITS):
    return random.poisson(2.0, (bins, units)).astype(np.uint8)


def test_a_decoder_is_told_its_task_and_session_and_called_as_the_challenge_calls_it(file, random):
    decoder, counts = opened(f"falcon:{file}:Recorder(gain=2)"), counts_of(random)
    inside = inside_of(decoder)
    config = inside.config
    assert (config.n_channels, config.out_dim, config.bin_size_ms, config.task.name) == (UNITS, 2, 20, "m2")
    assert isinstance(config.bin_size_ms, int)
    assert inside.batch_size == 1
    decoder.fit(counts, np.zeros((70, 2)))
    np.testing.assert_array_equal(decoder.step(counts[3]), 2.0 * counts[3, :2])
    methods = [method for method, _ in inside.calls]
    assert methods == ["reset", "reset", *["observe"] * 50, "on_done", "predict"]
    (tag,) = inside.calls[0][1]
    assert tag == Path("sub-MonkeyNRun1_20201019_held_in_eval.nwb")
    np.testing.assert_array_equal(np.concatenate([given for _, given in inside.calls[2:52]]), counts[-50:])
    assert inside.calls[-1][1].shape == (1, UNITS)
    assert inside.calls[-1][1].dtype == np.uint8
    np.testing.assert_array_equal(inside.calls[-2][1], [False])


def test_session_and_task_are_chosen_after_the_class(file):
    decoder = opened(f"falcon:{file}:Recorder(gain=2)?tag=L_20121004_held_out_eval.nwb&task=m1")
    assert inside_of(decoder).config.task.name == "m1"
    assert inside_of(decoder).calls[0][1] == [Path("L_20121004_held_out_eval.nwb")]


def test_the_task_is_that_of_as_many_channels_and_outputs(file):
    decoder = opened(f"falcon:{file}:Recorder", units=64)
    assert inside_of(decoder).config.task.name == "m2"
    decoder.fit(np.ones((60, 64)), np.zeros((60, 16)))
    config = inside_of(decoder).config
    assert (config.task.name, config.out_dim, config.n_channels) == ("m1", 16, 64)
    assert decoder.step(np.ones(64)).shape == (16,)


def test_only_predict_must_be_there_and_a_row_without_its_batch_will_do(file):
    decoder = opened(f"falcon:{file}:Bare")
    decoder.fit(np.ones((60, UNITS)), np.zeros((60, 2)))
    np.testing.assert_array_equal(decoder.step(np.array([3, 300, -1, 0, 0])), [3, 255])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            "{file}:Mute",
            BadInputError,
            r"a decoder with predict\(neural_observations\), found Mute without it",
        ),
        ("{file}:Other", BadInputError, "has no Other"),
        ("{file}", BadInputError, "expected falcon:FILE.py:NAME"),
        ("{file}:Recorder?day=3", BadInputError, r"expected \?tag=SESSION or \?task=TASK after .*, found day"),
        ("{file}:Recorder?task=b1", BadInputError, r"expected \?task= of h1, m1, m2, found 'b1'"),
        ("{file}:Recorder(speed=1)", FailureError, "unexpected keyword argument 'speed'"),
    ],
)
def test_what_is_no_decoder_of_the_challenge_is_told(file, given, error, message):
    with pytest.raises(error, match=message):
        opened("falcon:" + given.format(file=file))


def test_what_predict_gives_is_checked(file):
    with pytest.raises(FailureError, match=r"expected predict to give finite numbers of shape \(2,\)"):
        opened(f"falcon:{file}:Flat").step(np.ones(UNITS))


def test_a_file_of_the_challenge_says_what_to_install_without_it(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text("from falcon_challenge.interface import BCIDecoder")
    monkeypatch.setitem(sys.modules, "falcon_challenge", None)
    with pytest.raises(FailureError, match="needs falcon-challenge; pip install --no-deps falcon-challenge"):
        opened(f"falcon:{tmp_path / 'theirs.py'}:Decoder")


def test_without_hydra_nothing_of_the_stand_in_stays():
    if importlib.util.find_spec("hydra") is not None:
        pytest.skip("Hydra is installed")
    with hydra_or_stand_in():
        importlib.import_module("hydra.core.config_store").ConfigStore.instance().store(name="n", node=object)
    assert not [name for name in sys.modules if name.startswith("hydra")]


# The package's own samples, unmodified, installed without its dependencies.


@pytest.fixture
def samples() -> Path:
    return falcon_samples()


def test_the_challenges_random_sample_runs_unmodified(samples):
    decoder = opened(f"falcon:{samples / 'random_decoder.py'}:RandomDecoder", units=96)
    decoder.fit(np.ones((100, 96)), np.zeros((100, 2)))
    found = decode(decoder, np.ones((40, 96), np.uint8))
    assert found.shape == (40, 2)
    assert found.std() > 0.1
    assert ((found >= 0) & (found < 1)).all()


def test_the_challenges_scikit_learn_sample_runs_unmodified(samples, tmp_path, random):
    """It decodes what its own offline steps, filter and standardisation, make of the same counts."""
    with hydra_or_stand_in():
        from falcon_challenge.config import FalconTask
    counts = counts_of(random, 200, 96)
    mean, scale = counts.mean(axis=0), counts.std(axis=0)
    kernel = np.exp(-np.arange(0, 240, 20) / 240)
    smoothed = np.stack([np.convolve(unit, kernel / kernel.sum())[:200] for unit in counts.T.astype(float)], axis=1)
    standard = (smoothed - mean) / scale
    truth = standard[:, :2] - standard[:, 2:4]
    fitted = Ridge(alpha=0.1).fit(standard, truth)
    tag = "Run1_20201019"
    payload = {"decoder": fitted, "task": FalconTask.m2, "history": 0, "x_mean": {tag: mean}, "x_std": {tag: scale}}
    (tmp_path / "m2.pkl").write_bytes(pickle.dumps(payload))
    path = samples / "sklearn_decoder.py"
    decoder = opened(f"falcon:{path}:SKLearnDecoder(model_path={str(tmp_path / 'm2.pkl')!r})", units=96)
    np.testing.assert_allclose(decode(decoder, counts[:60]), fitted.predict(standard[:60]), atol=1e-9)
    with pytest.raises(FailureError, match="Dataset tag Run2_20201019 not found"):
        opened(
            f"falcon:{path}:SKLearnDecoder(model_path={str(tmp_path / 'm2.pkl')!r})"
            "?tag=sub-MonkeyNRun2_20201019_held_in_eval",
            units=96,
        )
