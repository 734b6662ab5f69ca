import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from spikeloop.models.decoders.decoder import decode
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.ridge import RidgeDecoder
from spikeloop.models.decoders.spec import parse_decoder
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.recording import Recording
from spikeloop.streamer.commands.falcon import falcon
from spikeloop.streamer.inference.falcon.task_config import task_config
from spikeloop.streamer.inference.open_decoder import open_decoder
from spikeloop.streamer.inference.own_modules import load_file
from spikeloop.streamer.launch.falcon_submission import Submission
from spikeloop.streamer.launch.write_falcon import write_falcon

UNITS, BIN_S = 6, 0.02
CHANNELS = tuple(Condition(f"velocity {axis}", "cm/s", -60.0, 60.0) for axis in "xy")
CONFIG = task_config("m2", UNITS, 2, BIN_S)


def session(seed: int, gain: float = 1.0, units: int = UNITS) -> Recording:
    """Counts tuned to a velocity."""
    random = np.random.default_rng(seed)
    velocity = gain * np.cumsum(random.standard_normal((400, 2)), axis=0)
    along = velocity @ np.stack([np.cos(np.arange(units)), np.sin(np.arange(units))])
    counts = random.poisson(np.exp(np.clip(0.5 + along / 20, -3, 2))).astype(np.uint8)
    names = tuple(f"unit {unit}" for unit in range(units))
    return Recording(
        counts[np.newaxis], BIN_S, names, name=f"day {seed}", channels=CHANNELS,
        driven_by=velocity[np.newaxis].astype(np.float32),
    )  # fmt: skip


def opened(program: Path):
    return load_file(program).Decoder(CONFIG)


def predicted(decoder, counts, tags=("",)):
    decoder.reset([Path(f"{tag}.nwb") for tag in tags])
    return np.stack([decoder.predict(row[np.newaxis].repeat(len(tags), axis=0)) for row in counts])


@pytest.fixture(scope="module")
def days():
    return {"one": session(1), "other": session(2, gain=3.0)}


def fitted(kind, *sessions):
    decoder = kind()
    counts, velocity = (
        np.concatenate(parts)
        for parts in zip(*((day.counts[0], day.conditions[0].astype(np.float64)) for day in sessions), strict=True)
    )
    decoder.fit(counts, velocity)
    return decoder


def test_a_session_is_decoded_by_what_was_fitted_on_it_and_another_by_what_was_fitted_on_all(tmp_path, days):
    decoder = opened(write_falcon("kalman", days, tmp_path / "out"))
    counts = session(3).counts[0][:60]
    for tag, known in (("one", [days["one"]]), ("other", [days["other"]]), ("third", [*days.values()])):
        expected = decode(fitted(KalmanDecoder, *known), counts)
        np.testing.assert_allclose(predicted(decoder, counts, [tag])[:, 0], expected, rtol=1e-6, atol=1e-6)


def test_each_row_of_a_batch_is_a_session_of_its_own(tmp_path, days):
    module = load_file(write_falcon("ridge", days, tmp_path / "out"))
    decoder, counts = module.Decoder(CONFIG, batch_size=2), session(3).counts[0][:40]
    together = predicted(decoder, counts, ["one", "other"])
    for row, day in enumerate(days.values()):
        np.testing.assert_allclose(together[:, row], decode(fitted(RidgeDecoder, day), counts), rtol=1e-6, atol=1e-6)
    assert decoder.predict(counts[:1]).shape == (1, 2)  # a batch that isn't full
    decoder.on_done(np.zeros(2))


def test_what_is_only_observed_counts_for_what_follows(tmp_path, days):
    decoder, counts = opened(write_falcon("kalman", days, tmp_path / "out")), session(3).counts[0][:30]
    whole = predicted(decoder, counts)
    decoder.reset([Path("third.nwb")])
    for row in counts[:-1]:
        decoder.observe(row[np.newaxis])
    np.testing.assert_array_equal(decoder.predict(counts[-1:]), whole[-1])


def test_the_loop_runs_what_was_written(tmp_path, days):
    program = write_falcon("ridge", days, tmp_path / "out")
    there = open_decoder(parse_decoder(f"falcon:{program}:Decoder"), units=UNITS, bin_size_s=BIN_S, seed=0)
    counts = session(3).counts[0][:30]
    expected = decode(fitted(RidgeDecoder, *days.values()), counts)
    np.testing.assert_allclose(decode(there, counts), expected, rtol=1e-6, atol=1e-6)


def test_the_class_is_one_of_the_challenges_where_its_package_is_installed(tmp_path, days, monkeypatch):
    class BCIDecoder:
        pass

    package, interface = type(sys)("falcon_challenge"), type(sys)("falcon_challenge.interface")
    interface.BCIDecoder = BCIDecoder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "falcon_challenge", package)
    monkeypatch.setitem(sys.modules, "falcon_challenge.interface", interface)
    assert isinstance(opened(write_falcon("kalman", days, tmp_path / "out")), BCIDecoder)


def test_a_decoder_that_has_learned_goes_with_its_weights(tmp_path, days):
    weights = onnx.numpy_helper.from_array(np.eye(UNITS, 2, dtype=np.float32), "weights")
    model = onnx.parser.parse_model(f"""
        <ir_version: 10, opset_import: ["": 18]>
        first (float[1, {UNITS}] counts) => (float[1, 2] velocity) {{ velocity = MatMul(counts, weights) }}
    """)
    model.graph.initializer.append(weights)
    made = tmp_path / "made"
    made.mkdir()
    onnx.save(model, made / "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0)
    program = write_falcon(f"onnx:{made / 'net.onnx'}?output=velocity", days["one"], tmp_path / "out")
    shutil.rmtree(made)
    counts = session(3).counts[0][:5]
    np.testing.assert_array_equal(predicted(opened(program), counts)[:, 0], counts[:, :2])
    assert not (tmp_path / "out" / "sessions.npz").exists()


@pytest.mark.parametrize(
    ("decoder", "recordings", "target", "message"),
    [
        ("python:own.py:Class", "one", "velocity", "expected one that learns .* found 'python:own.py:Class'"),
        ("oracle", "one", "velocity", "expected one that learns"),
        ("kalman", "none", "velocity", "--data: expected one recording or more, found none"),
        ("kalman", "twice", "velocity", "--data: expected recordings of different names, found two of one"),
        ("kalman", "unlike", "velocity", "wider: expected 6 units, .* found 7 and 20 ms; choose sessions alike"),
        ("kalman", "one", "position", "--target: day 1 has no 'position'"),
        ("onnx:nowhere.onnx", "one", "velocity", "nowhere.onnx: no such file"),
    ],
)
def test_what_can_not_be_written_is_told_and_nothing_is_left(tmp_path, days, decoder, recordings, target, message):
    given = {
        "one": days["one"], "none": [], "twice": [days["one"], days["one"]],
        "unlike": {"one": days["one"], "wider": session(1, units=7)},
    }[recordings]  # fmt: skip
    with pytest.raises(BadInputError, match=message):
        write_falcon(decoder, given, tmp_path / "out", target=[target])
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path, days):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadInputError, match="expected a folder that is new or empty"):
        write_falcon("kalman", days, tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]


def test_a_task_of_other_sizes_and_a_folder_that_is_none_are_refused(tmp_path, days):
    module = load_file(write_falcon("kalman", days, tmp_path / "out"))
    for sizes in ((96, 2, BIN_S), (UNITS, 7, BIN_S), (UNITS, 2, 0.01)):
        with pytest.raises(BadInputError, match="expected a task of 6 channels, 2 outputs and bins of 20 ms, found"):
            module.Decoder(task_config("m2", *sizes))
    (tmp_path / "out" / "submission.json").write_text(json.dumps({"decoder": "kalman"}))
    with pytest.raises(BadInputError, match=r"submission.json: expected decoder, units, .*write it again"):
        Submission.read(tmp_path / "out")


def test_the_command_writes_sessions_by_their_tags(tmp_path, capsys):
    out = tmp_path / "out"
    assert falcon("ridge:3", data=("Run1_20201019=m1-sim:30", "m1-sim:20"), out=out, json=True) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["sessions"] == ["Run1_20201019", "m1-sim:20"]
    assert Submission.read(out).sessions == ("Run1_20201019", "m1-sim:20")
    assert Path(printed["program"]) == out / "decoder.py"
    falcon("kalman", data=("m1-sim:20",), out=tmp_path / "other")
    assert f"--decoder falcon:{tmp_path / 'other' / 'decoder.py'}:Decoder" in capsys.readouterr().out
    with pytest.raises(BadInputError, match="--data: expected different tags"):
        falcon("kalman", data=("m1-sim:20", "m1-sim:20"), out=tmp_path / "third")
