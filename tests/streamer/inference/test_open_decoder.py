import subprocess
import sys
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from sklearn.linear_model import BayesianRidge, Ridge

from spikeloop.models.decoders import spec
from spikeloop.models.decoders.chance import ChanceDecoder
from spikeloop.models.decoders.decoder import Decoder, decode, status_of
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.population_vector import PopulationVectorDecoder
from spikeloop.models.decoders.ridge import RidgeDecoder
from spikeloop.models.decoders.spec import GROUP, KINDS, decoder_specs, parse_decoder
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.measures.decoding_scores import r_squared
from spikeloop.streamer.inference import open_decoder as opening
from spikeloop.streamer.inference import recurrent_decoder
from spikeloop.streamer.inference.open_decoder import open_decoder
from spikeloop.streamer.inference.own_code import CheckedDecoder
from spikeloop.streamer.inference.recurrent_decoder import RecurrentDecoder

UNITS, BIN_S = 6, 0.02
Data = tuple[np.ndarray, np.ndarray]

MINE = """
from __future__ import annotations
from dataclasses import dataclass
import numpy as np

@dataclass
class Mean:
    offset: np.ndarray | None = None

    def fit(self, counts, kinematics):
        self.offset = kinematics.mean(axis=0)

    def step(self, counts):
        return self.offset - counts[:2]

def made():
    return Mean()

class Broken(Mean):
    def fit(self, counts, kinematics):
        solve(counts)

    def step(self, counts):
        return list(counts)[99]

def solve(counts):
    return counts / np.linalg.inv(np.zeros((2, 2)))

class Needy(Mean):
    def __init__(self, units):
        pass

class Mute:
    def step(self, counts):
        pass

number = 3
"""


def opened(text: str, seed: int = 0) -> Decoder:
    return open_decoder(parse_decoder(text), units=UNITS, bin_size_s=BIN_S, seed=seed)


@pytest.fixture
def data(random) -> Data:
    """Tuned counts of 6 units in 400 bins, and the velocity they tell of."""
    velocity = np.cumsum(random.standard_normal((400, 2)), axis=0)
    velocity -= velocity.mean(axis=0)
    angles = np.arange(UNITS)
    along = velocity @ np.stack([np.cos(angles), np.sin(angles)])
    return random.poisson(np.exp(0.5 + along / 10)).astype(np.uint8), velocity


@pytest.fixture
def mine(tmp_path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("kalman", KalmanDecoder),
        ("ridge", RidgeDecoder),
        ("wiener", RidgeDecoder),
        ("population_vector", PopulationVectorDecoder),
        ("chance", ChanceDecoder),
        ("recurrent", RecurrentDecoder),
    ],
)
def test_decoders_of_the_package_are_known_by_name_and_made_afresh(name, kind):
    one, other = opened(name), opened(name)
    assert type(one) is kind
    assert one is not other


def test_wiener_is_ridge_without_penalty(data):
    """Of as many histories as bins, least squares fits the training data exactly."""
    counts, velocity = data[0][:60], data[1][:60]
    score = {}
    for name in ("wiener", "ridge"):
        decoder = opened(name)
        decoder.fit(counts, velocity)
        score[name] = r_squared(velocity, decode(decoder, counts)).min()
    assert score["wiener"] > 0.9999
    assert score["ridge"] < 0.999


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.has_history and not kind.argument])
def test_a_history_is_as_long_as_asked_for_and_else_of_200_ms(data, name):
    told = []
    for text in (f"{name}:3", f"{name}:10", name):
        decoder = opened(text)
        assert type(decoder) is type(opened(name))
        decoder.fit(*data)
        told.append(decode(decoder, data[0]))
    np.testing.assert_array_equal(told[1], told[2])
    assert not np.allclose(told[0], told[1])


@pytest.mark.parametrize("text", ["ridge:0", "ridge:-1", "ridge:1001", "wiener:three", "wiener:²", "ridge:3:4"])
def test_a_history_that_is_none_is_told(text):
    with pytest.raises(BadInputError, match=f"history of 1 to 1000 bins, found '{text}'"):
        opened(text)


def test_chance_is_that_of_the_seed(data):
    told = []
    for seed in (1, 1, 2):
        decoder = opened("chance", seed)
        decoder.fit(*data)
        told.append(decode(decoder, data[0]))
    np.testing.assert_array_equal(told[0], told[1])
    assert not np.array_equal(told[0], told[2])


@pytest.mark.parametrize("name", ["Mean", "made"])
def test_a_class_or_function_of_ones_own_makes_a_decoder(mine, data, name):
    decoder = opened(f"python:{mine}:{name}")
    decoder.fit(*data)
    counts = np.array([250, 3, 0, 0, 0, 0], np.uint8)
    np.testing.assert_allclose(decoder.step(counts), data[1].mean(axis=0) - [250, 3])  # no byte wraps around
    np.testing.assert_array_equal(counts, [250, 3, 0, 0, 0, 0])


def test_a_module_that_can_be_imported_will_do(mine, data, monkeypatch):
    monkeypatch.syspath_prepend(mine.parent)
    decoder = opened("python:mine:Mean")
    decoder.fit(*data)
    assert decoder.step(data[0][0]).shape == (2,)
    del sys.modules["mine"]


def test_a_file_is_read_anew_each_time(mine):
    opened(f"python:{mine}:made")
    mine.write_text(MINE.replace("def made", "def remade"))
    with pytest.raises(BadInputError, match="has no made; check its spelling"):
        opened(f"python:{mine}:made")


def test_what_ones_own_code_raises_is_told_in_one_line_with_its_place(mine, data):
    decoder = opened(f"python:{mine}:Broken")
    lines = MINE.splitlines()
    where = {text: lines.index(text) + 1 for text in (
        "        return list(counts)[99]", "    return counts / np.linalg.inv(np.zeros((2, 2)))",
    )}  # fmt: skip
    with pytest.raises(FailureError) as caught:
        decoder.fit(*data)
    solve = where["    return counts / np.linalg.inv(np.zeros((2, 2)))"]
    assert str(caught.value) == (
        f"--decoder python:{mine}:Broken failed: LinAlgError: Singular matrix, in solve ({mine}, line {solve})"
    )
    with pytest.raises(FailureError, match=r"IndexError: .*, in step \(.*mine.py, line \d+\)") as caught:
        decoder.step(data[0][0])
    assert f"line {where['        return list(counts)[99]']})" in str(caught.value)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("def made(:", r"SyntaxError: .*mine.py, line 1"),
        ("\nimport that_is_not_there", r"ModuleNotFoundError: .*, in <module> \(.*mine.py, line 2\)"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def made():\n  raise ValueError('one\\ntwo')", r"ValueError: one two, in made \(.*, line 2\)"),
        ("import asyncio\ndef made():\n  raise asyncio.CancelledError", r"CancelledError:, in made \(.*, line 3\)"),
    ],
)
def test_code_that_fails_before_there_is_a_decoder_is_told_likewise(mine, program, message):
    mine.write_text(program)
    with pytest.raises(FailureError, match=message) as caught:
        opened(f"python:{mine}:made")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "body", "message"),
    [
        ("step", "raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})()", "failed: Odd, in step"),
        ("step", "raise ValueError('\\x1b[31m\\ud800')", r"failed: ValueError: \?\[31m\?, in step"),
        ("__getattr__", "raise RuntimeError(arguments[0])", "failed: RuntimeError: .*, in __getattr__"),
    ],
)
def test_what_ones_own_code_raises_is_plain_text_whatever_it_does_there(tmp_path, data, method, body, message):
    lines = ["class Odd:", "  def fit(self, *arguments): pass", f"  def {method}(self, *arguments):", f"    {body}"]
    (tmp_path / "odd.py").write_text("\n".join(lines))
    with pytest.raises(FailureError, match=message) as failed:
        decoder = open_decoder(parse_decoder(f"python:{tmp_path / 'odd.py'}:Odd"), units=4, bin_size_s=0.02, seed=0)
        decoder.fit(*data)
        decoder.step(np.zeros(4))
    assert str(failed.value).isprintable()


def test_ctrl_c_in_ones_own_code_is_no_failure_of_it(mine):
    mine.write_text("def made():\n  raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        opened(f"python:{mine}:made")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("python:{mine}:Mute", r"expected an object with fit\(.* found Mute without fit"),
        ("python:collections:OrderedDict", "found OrderedDict without fit and step"),
        ("python:{mine}:number", "expected a class or a function, found 3"),
        ("python:{mine}:Nothing", "has no Nothing"),
        ("python:{mine}x.py:Mean", "expected a file .*, found none"),
        ("python:not_installed:Mean", "no module not_installed is installed; for a file, give python:FILE.py:NAME"),
        ("python:json.nothing:Mean", "no module json.nothing is installed"),
        ("python:mine", "expected python:FILE.py:NAME or python:MODULE:NAME"),
        ("sklearn:Ridge", "expected a regressor of scikit-learn, .*found none of that name"),
        ("sklearn:..os.path.Ridge", "expected a name, .*found '..os.path.Ridge'"),
        ("sklearn:linear_model.Ridge(slope=1)", "can't be made with these arguments .*slope"),
        (
            "sklearn:linear_model.Ridge(alpha=open('x'))",
            r"expected numbers, texts, .*found .open\('x'\)",
        ),
        ("sklearn:linear_model.LogisticRegression", "expected a regressor .*LogisticRegression"),
        ("sklearn:multioutput.RegressorChain", "can't be made without arguments"),
        ("onnx:nowhere.onnx", "nowhere.onnx: no such file"),
        ("onnx:", "--decoder: expected kalman, "),
        ("lsl:Stream", "--decoder: lsl:Stream needs a session"),
        ("oracle", "--decoder: oracle needs a session"),
        ("Kalman", "found 'Kalman'"),
    ],
)
def test_what_makes_no_decoder_is_told(mine, given, message):
    with pytest.raises(BadInputError, match=message):
        opened(given.format(mine=mine))


def test_a_class_or_function_is_given_the_arguments_that_follow_it(mine):
    decoder = opened(f"python:{mine}:Mean(offset=[5.0, 7.0])")
    np.testing.assert_array_equal(decoder.step(np.array([1, 2, 0, 0, 0, 0])), [4, 5])
    with pytest.raises(FailureError, match="unexpected keyword argument 'scale'"):
        opened(f"python:{mine}:made(scale=(1, 'a:b.py:c'))")


def test_a_class_that_wants_arguments_is_told(mine):
    with pytest.raises(FailureError, match="TypeError: .*missing 1 required positional argument: 'units'"):
        opened(f"python:{mine}:Needy")


class Says:
    """A decoder that always says the same."""

    def __init__(self, velocity: object) -> None:
        self.velocity = velocity

    def fit(self, counts, kinematics):
        counts[:] = 0
        kinematics[:] = 0

    def step(self, counts):
        counts[:] = 0
        return self.velocity


@pytest.mark.parametrize(
    "velocity",
    [[1.0, np.nan], [np.inf, 0], [1.0], 3.0, [[1.0, 2.0]], None, "fast", [1, [2]], [1j, 0], ["1", "2"], [10**400, 1],
     np.array(["1", "2"], object), np.ma.array([1.0, 2.0], mask=[True, False])],
    ids=repr,
)  # fmt: skip
def test_an_output_that_is_no_velocity_is_stopped(data, velocity):
    decoder = CheckedDecoder("mine", Says(velocity))  # type: ignore[arg-type]
    with pytest.raises(FailureError, match="--decoder mine"):
        decoder.step(data[0][0])


def test_what_a_decoder_is_given_and_gives_is_its_own(data):
    kept, said = (data[0].copy(), data[1].copy()), np.array([1.0, 2.0])
    decoder = CheckedDecoder("mine", Says(said))  # type: ignore[arg-type]
    decoder.fit(*data)
    velocity = decoder.step(data[0][0])
    said[:] = 9
    np.testing.assert_array_equal(velocity, [1, 2])
    np.testing.assert_array_equal(data[0], kept[0])
    np.testing.assert_array_equal(data[1], kept[1])


def test_a_decoder_of_other_kinematics_gives_as_many_columns_as_it_was_fitted_on(data):
    decoder = CheckedDecoder("mine", Says([1.0, 2.0, 3.0]))  # type: ignore[arg-type]
    decoder.fit(data[0], np.ones((400, 3)))
    np.testing.assert_array_equal(decoder.step(data[0][0]), [1, 2, 3])
    decoder.fit(*data)
    with pytest.raises(FailureError, match=r"finite numbers of shape \(2,\), found \[1.0, 2.0, 3.0\] of shape \(3,\)"):
        decoder.step(data[0][0])


def test_installed_packages_register_decoders_by_name(mine, data, monkeypatch):
    monkeypatch.syspath_prepend(mine.parent)
    found = [EntryPoint("theirs", "mine:Mean", GROUP), EntryPoint("kalman", "mine:Mean", GROUP)]
    for module in (spec, opening):
        monkeypatch.setattr(module, "entry_points", lambda group: [each for each in found if each.group == group])
    decoder = opened("theirs")
    decoder.fit(*data)
    np.testing.assert_allclose(decoder.step(np.zeros(UNITS)), data[1].mean(axis=0))
    assert type(opened("kalman")) is KalmanDecoder
    with pytest.raises(BadInputError, match="or of installed packages kalman, theirs; found 'ours'"):
        opened("ours")
    del sys.modules["mine"]


@pytest.mark.parametrize(("name", "kind"), [("Ridge", Ridge), ("BayesianRidge", BayesianRidge)])
def test_a_regressor_of_scikit_learn_sees_standardised_histories(data, name, kind):
    """Of both columns at once, or, where it knows of one only, one after the other."""
    counts, velocity = data
    decoder = opened(f"sklearn:linear_model.{name}")
    decoder.fit(counts, velocity)
    padded = np.concatenate([np.zeros((9, UNITS)), (counts - counts.mean(axis=0)) / counts.std(axis=0)])
    histories = np.stack([padded[t : t + 10].ravel() for t in range(len(counts))])
    expected = np.stack([kind().fit(histories, column).predict(histories) for column in velocity.T], axis=1)
    np.testing.assert_allclose(decode(decoder, counts), expected, rtol=1e-6, atol=1e-6)
    decoder.fit(counts, velocity)
    np.testing.assert_allclose(decoder.step(counts[0]), expected[0], rtol=1e-6, atol=1e-6)


def test_a_regressor_of_scikit_learn_is_made_with_the_arguments_given(data):
    told = []
    for text in ("Ridge", "Ridge(alpha=1e9)", "Ridge(1e9, fit_intercept=True)"):
        decoder = opened(f"sklearn:linear_model.{text}")
        decoder.fit(*data)
        told.append(decode(decoder, data[0]).std())
    assert told[0] > 1000 * told[1] > 0
    assert told[1] == told[2]


def test_a_regressor_that_draws_draws_by_the_seed(data):
    told = []
    for seed in (1, 1, 2**40):
        decoder = opened("sklearn:ensemble.BaggingRegressor", seed)
        decoder.fit(*data)
        told.append(decode(decoder, data[0][:5]))
    np.testing.assert_array_equal(told[0], told[1])
    assert not np.array_equal(told[0], told[2])


def test_a_regressor_that_can_not_learn_is_told(data):
    with pytest.raises(FailureError, match=r"--decoder sklearn:isotonic.IsotonicRegression failed: ValueError: "):
        opened("sklearn:isotonic.IsotonicRegression").fit(*data)
    decoder = opened("sklearn:linear_model.Ridge")
    with pytest.raises(BadInputError, match="expected a fit"):
        decoder.step(data[0][0])
    decoder.fit(*data)
    with pytest.raises(BadInputError, match=r"one bin, \(6 units,\)"):
        decoder.step(data[0][0, :1])


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.multioutput", None)
    with pytest.raises(FailureError, match=r'pip install .*"scikit-learn>'):
        opened("sklearn:linear_model.Ridge")


def test_without_torch_the_recurrent_decoder_is_refused_before_there_is_anything_to_learn(monkeypatch):
    monkeypatch.setattr(recurrent_decoder, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    with pytest.raises(FailureError, match=r'with torch and onnx \(no torch\); pip install .*"torch>'):
        opened("recurrent")


def test_an_onnx_file_is_opened_for_the_units_and_bins_of_the_stream(tmp_path):
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["": 18]>
        last (float[1, 6] counts) => (float[1, 2] velocity) {
            place = Constant<value = int64[2] {5, 4}>()
            velocity = Gather<axis = 1>(counts, place)
        }
    """)
    onnx.helper.set_model_props(model, {"bin_size_s": "0.02"})
    onnx.save(model, tmp_path / "last.onnx")
    last = parse_decoder(f"onnx:{tmp_path / 'last.onnx'}")
    decoder = opened(last.text)
    np.testing.assert_array_equal(decoder.step(np.arange(UNITS)), [5, 4])
    with pytest.raises(BadInputError, match=r"expected an input for the counts of 7 units"):
        open_decoder(last, units=7, bin_size_s=BIN_S, seed=0)
    with pytest.raises(BadInputError, match="bins of 0.01 s"):
        open_decoder(last, units=UNITS, bin_size_s=0.01, seed=0)


def test_torch_is_not_loaded_before_the_recurrent_decoder_is_fitted():
    program = (
        "import sys\nfrom spikeloop.streamer.inference.open_decoder import open_decoder\n"
        "from spikeloop.models.decoders.spec import parse_decoder\n"
        "open_decoder(parse_decoder('recurrent'), units=4, bin_size_s=0.02, seed=0)\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "onnx", "sklearn", "onnxruntime"} & set(loaded)


EVENTS = """
import numpy as np

class Rate:
    def fit(self, counts, kinematics):
        self.seen = 0

    def step_events(self, units, times_s, until_s):
        self.seen += 1
        assert all(until_s - 0.02 <= time <= until_s for time in times_s)
        return [len(units), np.count_nonzero(units == 1)]
"""


def test_a_decoder_of_spike_times_gets_drawn_ones_where_only_counts_are_known(tmp_path, data):
    (tmp_path / "events.py").write_text(EVENTS)
    decoder = opened(f"python:{tmp_path / 'events.py'}:Rate")
    assert status_of(decoder).events
    assert not status_of(opened("kalman")).events
    decoder.fit(*data)
    np.testing.assert_array_equal(decode(decoder, data[0]), np.stack([data[0].sum(axis=1), data[0][:, 1]], axis=1))
    with pytest.raises(FailureError, match="expected step_events to give finite numbers"):
        open_decoder(decoder_specs({"own": NoVelocity})["own"], units=UNITS, bin_size_s=BIN_S, seed=0).step(data[0][0])


class NoVelocity:
    def fit(self, counts, kinematics): ...

    def step_events(self, units, times_s, until_s):
        return [until_s]
