"""Decoders as their makers export them: networks and pipelines trained on the shipped cortex, in files of each kind."""

import pickle
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.recordings.reaches import random_reaches
from spikeloop.streamer.closedloop.experiment.brain import BundlePopulation
from tests.support.falcon_samples import falcon_samples

BINS, UNITS = 4000, 96
WINDOW, FEATURES = 20, 48


@cache
def trained_on() -> tuple[np.ndarray, np.ndarray]:
    """80 s of counts and the velocity that was imagined."""
    reaches = random_reaches(BINS, 0.02, 99)
    population = BundlePopulation(load_bundle("m1-sim"), seed=99)
    pairs = zip(reaches.velocity_cm_s, reaches.position_cm, strict=True)
    return np.array([population.respond(*pair) for pair in pairs]), reaches.velocity_cm_s


def _smoothed(counts: np.ndarray) -> np.ndarray:
    """By the filter of FALCON's scikit-learn sample: exponential, 240 ms long."""
    kernel = np.exp(-np.arange(0, 240, 20) / 240)
    return np.stack(
        [np.convolve(unit, kernel / kernel.sum())[: len(counts)] for unit in counts.T.astype(float)], axis=1
    )


class Network(nn.Module):
    """Fixed features and a readout of them that is fitted by ridge regression."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.readout = nn.Linear(width, 2)

    def features(self, counts, *states):
        raise NotImplementedError

    def fitted(self, features: torch.Tensor, velocity: np.ndarray):
        found = Ridge(alpha=1.0).fit(features.numpy(), velocity)
        with torch.no_grad():
            self.readout.weight.copy_(torch.as_tensor(found.coef_))
            self.readout.bias.copy_(torch.as_tensor(found.intercept_))
        return self.eval()


class Perceptron(Network):
    """Of one bin."""

    def __init__(self) -> None:
        super().__init__(3 * FEATURES)
        self.hidden = nn.Linear(UNITS, 3 * FEATURES)

    def forward(self, input):
        return self.readout(torch.tanh(self.hidden(input)))


class Recurrent(Network):
    """An LSTM whose states come and go with each bin."""

    def __init__(self) -> None:
        super().__init__(2 * FEATURES)
        self.lstm = nn.LSTM(UNITS, 2 * FEATURES, batch_first=True)

    def forward(self, x, h, c):
        y, (h, c) = self.lstm(x, (h, c))
        return self.readout(y), h, c


class Transformer(Network):
    """Of the 20 latest bins."""

    def __init__(self) -> None:
        super().__init__(FEATURES)
        self.project, self.place = nn.Linear(UNITS, FEATURES), nn.Parameter(0.1 * torch.randn(WINDOW, FEATURES))
        self.layer = nn.TransformerEncoderLayer(FEATURES, 4, 2 * FEATURES, dropout=0.0, batch_first=True)

    def encoded(self, window):
        return self.layer(self.project(window) + self.place).mean(1)

    def forward(self, window):
        return self.readout(self.encoded(window))


@cache
def perceptron() -> Perceptron:
    counts, velocity = trained_on()
    torch.manual_seed(0)
    net = Perceptron()
    with torch.no_grad():
        return net.fitted(torch.tanh(net.hidden(torch.as_tensor(counts, dtype=torch.float32))), velocity)


@cache
def recurrent() -> Recurrent:
    counts, velocity = trained_on()
    torch.manual_seed(0)
    net = Recurrent()
    with torch.no_grad():
        return net.fitted(net.lstm(torch.as_tensor(counts, dtype=torch.float32)[None])[0][0], velocity)


@cache
def transformer() -> Transformer:
    counts, velocity = trained_on()
    torch.manual_seed(0)
    net = Transformer()
    windows = torch.as_tensor(counts, dtype=torch.float32).unfold(0, WINDOW, 1).transpose(1, 2)
    with torch.no_grad():
        return net.fitted(net.encoded(windows), velocity[WINDOW - 1 :])


@cache
def pipeline():
    counts, velocity = trained_on()
    return make_pipeline(StandardScaler(), Ridge(alpha=10.0)).fit(counts.astype(np.float64), velocity)


ONE_BIN = torch.zeros(1, UNITS)
LSTM_BIN = (torch.zeros(1, 1, UNITS), torch.zeros(1, 1, 2 * FEATURES), torch.zeros(1, 1, 2 * FEATURES))


def _quietly(export: Callable, *arguments, **options) -> None:
    with warnings.catch_warnings():  # of torch, about itself
        warnings.simplefilter("ignore")
        export(*arguments, **options)


def _onnx(folder: Path, name: str, net: nn.Module, example: tuple, **options) -> str:
    _quietly(torch.onnx.export, net, example, folder / name, verbose=False, **options)
    return str(folder / name)


def default_export(folder: Path) -> str:
    text = _onnx(folder, "default.onnx", perceptron(), (ONE_BIN,))
    assert (folder / "default.onnx.data").is_file()  # two files
    return text


def legacy_export(folder: Path) -> str:
    return _onnx(folder, "legacy.onnx", perceptron(), (ONE_BIN,), dynamo=False, opset_version=17)


def dynamic_double(folder: Path) -> str:
    net = Perceptron()
    net.load_state_dict(perceptron().state_dict())
    dynamic = {"input": {0: torch.export.Dim("batch")}}
    return _onnx(
        folder, "double.onnx", net.double().eval(), (torch.zeros(2, UNITS, dtype=torch.float64),),
        dynamic_shapes=dynamic, opset_version=23,
    )  # fmt: skip


def lstm_with_states(folder: Path) -> str:
    return _onnx(folder, "lstm.onnx", recurrent(), LSTM_BIN)


def transformer_of_20_bins(folder: Path) -> str:
    return _onnx(folder, "transformer.onnx", transformer(), (torch.zeros(1, WINDOW, UNITS),))


def sklearn_onnx(folder: Path) -> str:
    skl2onnx = pytest.importorskip("skl2onnx", reason="pip install skl2onnx")
    (folder / "pipeline.onnx").write_bytes(
        skl2onnx.to_onnx(pipeline(), np.zeros((1, UNITS), np.float32)).SerializeToString()
    )
    return str(folder / "pipeline.onnx")


def skops(folder: Path) -> str:
    io = pytest.importorskip("skops.io", reason="pip install skops")
    io.dump(pipeline(), folder / "pipeline.skops")
    return str(folder / "pipeline.skops")


def exported_program(folder: Path) -> str:
    torch.export.save(torch.export.export(perceptron(), (ONE_BIN,)), folder / "net.pt2")
    return str(folder / "net.pt2")


def torchscript(folder: Path) -> str:
    def save() -> None:
        torch.jit.save(torch.jit.script(perceptron()), folder / "net.pt")

    _quietly(save)
    return str(folder / "net.pt")


def falcon_sample(folder: Path) -> str:
    """Its scikit-learn decoder, unmodified, with parameters in its own format."""
    from spikeloop.streamer.inference.falcon.task_config import hydra_or_stand_in

    program = falcon_samples() / "sklearn_decoder.py"
    with hydra_or_stand_in():
        from falcon_challenge.config import FalconTask
    counts, velocity = trained_on()
    mean, scale, tag = counts.mean(axis=0), counts.std(axis=0), "Run1_20201019"
    fitted = Ridge(alpha=10.0).fit((_smoothed(counts) - mean) / scale, velocity)
    payload = {"decoder": fitted, "task": FalconTask.m2, "history": 0, "x_mean": {tag: mean}, "x_std": {tag: scale}}
    (folder / "m2.pkl").write_bytes(pickle.dumps(payload))
    return f"falcon:{program}:SKLearnDecoder(model_path={str(folder / 'm2.pkl')!r})"


EVENTS = """
import numpy as np

class Leaky:
    '''Rates that decay with 100 ms from spike to spike, and a readout of them.'''

    def __init__(self, weights):
        self.weights = np.load(weights)
        self.rates, self.now = np.zeros(len(self.weights) - 1), 0.0

    def fit(self, counts, kinematics):
        pass

    def step_events(self, units, times_s, until_s):
        self.rates *= np.exp((self.now - until_s) / 0.1)
        np.add.at(self.rates, units, np.exp((times_s - until_s) / 0.1))
        self.now = until_s
        return np.append(self.rates, 1.0) @ self.weights
"""


def event_decoder(folder: Path) -> str:
    counts, velocity = trained_on()
    rates = np.zeros(counts.shape)
    for bin, bin_counts in enumerate(counts):  # each spike in the middle of its bin, in the mean
        rates[bin] = rates[bin - 1] * np.exp(-0.02 / 0.1) * (bin > 0) + bin_counts * np.exp(-0.01 / 0.1)
    found = Ridge(alpha=10.0).fit(rates, velocity)
    np.save(folder / "leaky.npy", np.vstack([found.coef_.T, found.intercept_]))
    (folder / "leaky.py").write_text(EVENTS)
    return f"python:{folder / 'leaky.py'}:Leaky(weights={str(folder / 'leaky.npy')!r})"


LOADED: dict[str, Callable[[Path], str]] = {
    "default torch export": default_export,
    "legacy torch export, opset 17": legacy_export,
    "double precision, free batch, opset 23": dynamic_double,
    "LSTM with states": lstm_with_states,
    "transformer over 20 bins": transformer_of_20_bins,
    "sklearn-onnx pipeline": sklearn_onnx,
    "skops": skops,
    "torch.export, .pt2": exported_program,
    "TorchScript": torchscript,
    "FALCON sample decoder": falcon_sample,
    "decoder of spike times": event_decoder,
}


def pickled(folder: Path) -> str:
    torch.save(perceptron(), folder / "pickled.pt")
    return str(folder / "pickled.pt")


def free_history(folder: Path) -> str:
    class Mean(nn.Module):
        def forward(self, window):
            return window.mean(1)[:, :2]

    free = {"input_names": ["window"], "dynamic_axes": {"window": {0: "batch", 1: "time"}}}
    return _onnx(folder, "free.onnx", Mean(), (torch.zeros(2, 5, UNITS),), dynamo=False, **free)


def two_heads(folder: Path) -> str:
    class Heads(nn.Module):
        def forward(self, counts):
            return counts[:, :2] + 1, counts[:, :2] * 2

    return _onnx(folder, "heads.onnx", Heads(), (ONE_BIN,), dynamo=False)


REFUSED: dict[str, tuple[Callable[[Path], str], str]] = {
    "torch.save of a module": (pickled, r"expected a program of PyTorch, found weights without a program"),
    "a free number of bins": (free_history, r"leaves open how counts go in \(a free number of bins\).*\?history=BINS"),
    "two outputs of two numbers": (two_heads, r"expected one output of 2 numbers a bin, .*choose with \?output="),
}
