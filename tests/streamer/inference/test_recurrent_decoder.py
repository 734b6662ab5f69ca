import sys

import numpy as np
import pytest

from spikeloop.models.decoders.decoder import decode
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.training.recurrent_decoder import RecurrentConfig
from spikeloop.streamer.inference.decoder_files.onnx_file import open_onnx
from spikeloop.streamer.inference.recurrent_decoder import RecurrentDecoder

BIN_S = 0.02


@pytest.fixture
def recurrent() -> RecurrentDecoder:
    return RecurrentDecoder(BIN_S, seed=1, config=RecurrentConfig(hidden=6, crop_bins=16, steps=10, check_steps=5))


def test_the_recurrent_decoder_is_trained_at_a_fit_and_runs_as_its_file(recurrent, random):
    counts, kinematics = random.poisson(1.0, (200, 3)), random.standard_normal((200, 2))
    with pytest.raises(BadInputError, match="expected a fit before the first step"):
        recurrent.step(counts[0])
    recurrent.fit(counts, kinematics)
    told, file = decode(recurrent, counts), open_onnx(recurrent.exported, units=3, bin_size_s=BIN_S)
    np.testing.assert_array_equal(decode(file, counts), told)
    recurrent.fit(counts, kinematics)
    np.testing.assert_array_equal(decode(recurrent, counts), told)


def test_without_torch_the_recurrent_decoder_says_what_to_install(recurrent, monkeypatch):
    monkeypatch.setitem(sys.modules, "spikeloop.models.training.recurrent_decoder", None)
    with pytest.raises(FailureError, match=r'pip install .*"torch>'):
        recurrent.fit(np.ones((200, 3)), np.ones((200, 2)))
