import functools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from spikeloop.models.decoders.decoder import Decoder, decode, status_of, step_spikes
from spikeloop.models.decoders.spec import DecoderSpec, decoder_specs, parse_decoder
from spikeloop.models.decoders.step_spikes import StepSpikes
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.inference.isolation.isolated_decoder import (
    DecoderHost,
    FailedDecoder,
    IsolatedDecoder,
    runs_foreign_code,
)
from spikeloop.streamer.inference.isolation.limits import DecoderLimits
from spikeloop.streamer.inference.isolation.process import OwnProcess
from spikeloop.streamer.inference.open_decoder import open_decoder
from tests.support.misbehaving import LIMITS, write_misbehaving

UNITS = 6
STREAM: dict[str, Any] = {"units": UNITS, "bin_size_s": 0.02, "seed": 3}


@pytest.fixture(scope="module")
def misbehaving(tmp_path_factory) -> dict[str, str]:
    return write_misbehaving(tmp_path_factory.mktemp("misbehaving"))


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.poisson(1.0, (300, UNITS)).astype(np.uint8), random.standard_normal((300, 2))


@contextmanager
def opened(text: str, limits: DecoderLimits | None = None) -> Iterator[Decoder]:
    with DecoderHost(parse_decoder(text), limits) as host:
        yield host.open(**STREAM)


def onnx_file(path: Path) -> Path:
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["": 18]>
        last (float[1, 6] counts) => (float[1, 2] velocity) {
            place = Constant<value = int64[2] {5, 4}>()
            third = Constant<value = float {0.333}>()
            chosen = Gather<axis = 1>(counts, place)
            velocity = Mul(chosen, third)
        }
    """)
    onnx.save(model, path)
    return path


def test_what_is_decoded_elsewhere_is_bit_for_bit_what_is_decoded_here(tmp_path, data):
    (tmp_path / "mine.py").write_text(
        "import numpy as np\nclass Mine:\n  def fit(self, counts, kinematics):\n"
        "    self.weights = np.linalg.lstsq(counts, kinematics, rcond=None)[0]\n"
        "  def step(self, counts):\n    return counts @ self.weights\n"
    )
    for text in (f"python:{tmp_path / 'mine.py'}:Mine", f"onnx:{onnx_file(tmp_path / 'a.onnx')}"):
        decoded = []
        for in_process in (True, False):
            with DecoderHost(parse_decoder(text), in_process=in_process) as host:
                decoder = host.open(**STREAM)
                assert isinstance(decoder, IsolatedDecoder) is not in_process
                decoder.fit(*data)
                decoded.append(decode(decoder, data[0][:50]))
        np.testing.assert_array_equal(*decoded)


def test_the_times_of_spikes_go_to_a_decoder_elsewhere_that_takes_them(tmp_path, data):
    (tmp_path / "mine.py").write_text(
        "class Mine:\n  def fit(self, counts, kinematics):\n    pass\n"
        "  def step_events(self, units, times_s, until_s):\n    return [float(sum(times_s)), until_s + len(units)]\n"
    )
    spikes = StepSpikes(np.array([0, 5]), np.array([0.25, 0.5]), 1.0)
    with opened(f"python:{tmp_path / 'mine.py'}:Mine") as decoder:
        decoder.fit(*data)
        assert status_of(decoder).events
        np.testing.assert_array_equal(step_spikes(decoder, spikes), [0.75, 3.0])
    with opened(f"onnx:{onnx_file(tmp_path / 'a.onnx')}") as decoder:
        assert not status_of(decoder).events


def test_a_history_in_time_reaches_a_decoder_elsewhere(data):
    decoded = {}
    for history_s in (0.02, 0.1):
        with DecoderHost(parse_decoder("sklearn:linear_model.Ridge"), history_s=history_s) as host:
            decoder = host.open(**STREAM)
            decoder.fit(*data)
            decoded[history_s] = decode(decoder, data[0][:20])
    here = open_decoder(replace(parse_decoder("sklearn:linear_model.Ridge"), history_bins=5), **STREAM)
    here.fit(*data)
    np.testing.assert_array_equal(decoded[0.1], decode(here, data[0][:20]))
    assert not np.allclose(decoded[0.02], decoded[0.1])


def test_decoders_of_the_package_stay_in_this_process_and_all_others_leave_it():
    own = {"kalman", "ridge", "wiener", "population_vector", "chance", "recurrent", "oracle", "lsl:Stream"}
    foreign = {"python:mine.py:Mine", "sklearn:linear_model.Ridge", "onnx:a.onnx"}
    assert {text for text in own | foreign if runs_foreign_code(parse_decoder(text))} == foreign
    assert runs_foreign_code(DecoderSpec("theirs", "installed", "theirs"))
    assert runs_foreign_code(DecoderSpec("later", "a kind that comes later"))
    with opened("kalman") as decoder:
        assert not isinstance(decoder, IsolatedDecoder)


class Counting:
    """A decoder of a module that another process can't import by its name, as tests are collected by path."""

    def fit(self, counts, kinematics): ...

    def step(self, counts):
        return np.array([os.getpid(), 0.0])


def test_an_object_runs_elsewhere_where_that_can_load_it_and_else_here(data):
    here = DecoderSpec("inner", "object", factory=lambda: Counting())
    (there,) = decoder_specs({"array": functools.partial(np.zeros, 2)}).values()
    with DecoderHost(here) as host:
        assert host.open(**STREAM).step(data[0][0])[0] == os.getpid()
    with DecoderHost(there) as host, pytest.raises(BadInputError, match="found ndarray without fit and step"):
        host.open(**STREAM)


def test_an_object_whose_module_the_other_process_lacks_runs_here(data, caplog, monkeypatch):
    monkeypatch.setattr(Counting, "__module__", "only_here")
    module: Any = type(sys)("only_here")
    module.Counting = Counting
    monkeypatch.setitem(sys.modules, "only_here", module)
    (spec,) = decoder_specs([Counting]).values()
    with caplog.at_level("WARNING"), DecoderHost(spec) as host:
        decoder = host.open(**STREAM)
    assert decoder.step(data[0][0])[0] == os.getpid()
    assert "Counting runs in this process, as another can't load it (ModuleNotFoundError" in caplog.text


def test_an_object_of_a_module_that_can_be_imported_runs_elsewhere(tmp_path, data, monkeypatch):
    (tmp_path / "lab.py").write_text(
        "import os\nclass Lab:\n  def fit(self, *_): self.fitted = 1.0\n"
        "  def step(self, counts): return [os.getpid(), self.fitted]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import lab  # pyright: ignore[reportMissingImports]

    instance = lab.Lab()
    (spec,) = decoder_specs({"mine": instance}).values()
    with DecoderHost(spec) as host:
        decoder = host.open(**STREAM)
        decoder.fit(*data)
        process, fitted = decoder.step(data[0][0])
    assert (process != os.getpid(), fitted, hasattr(instance, "fitted")) == (True, 1.0, False)
    del sys.modules["lab"]


def test_errors_of_the_decoder_are_those_that_it_has_in_this_process(data, misbehaving):
    path = misbehaving["Still"].split(":")[1]
    with pytest.raises(BadInputError, match="has no Nothing; check its spelling"), opened(f"python:{path}:Nothing"):
        pass
    with opened("sklearn:linear_model.Ridge") as decoder:
        with pytest.raises(BadInputError, match="expected a fit before the first step"):
            decoder.step(data[0][0])
        with pytest.raises(BadInputError, match="expected finite kinematics, found NaN or infinity in 300 of 300 bins"):
            decoder.fit(data[0], np.full((300, 2), np.nan))
        decoder.fit(*data)  # of an error that it raises, it does not die
        assert decoder.step(data[0][0]).shape == (2,)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("BareFork", "forked its process in step"),
        ("Babble", "sent something else than an answer"),
        ("HangInFit", "hung: fit gave no answer within 1 s"),
    ],
)
def test_further_ways_to_misbehave_have_reasons_too(misbehaving, data, name, reason):
    limits = DecoderLimits(fit_s=1.0) if name == "HangInFit" else LIMITS
    with opened(misbehaving[name], limits) as decoder, pytest.raises(FailureError, match=reason):
        decoder.fit(*data)
        decode(decoder, data[0])


def test_a_decoder_that_reads_the_terminal_finds_nothing_there(misbehaving, data):
    with opened(misbehaving["Reads"]) as decoder:
        decoder.fit(*data)
        assert not decode(decoder, data[0]).any()


def test_after_a_failure_every_step_fails_alike_and_another_decoder_can_be_opened(misbehaving, data):
    with DecoderHost(parse_decoder(misbehaving["Exit"])) as host:
        decoder = host.open(**STREAM)
        for _ in range(2):
            with pytest.raises(FailureError, match="ended its process in step, with exit code 3"):
                decode(decoder, data[0])
        assert not decode(host.open(**STREAM), data[0][:100]).any()


def test_decoders_that_are_opened_one_after_another_are_new_each_time(misbehaving, data):
    with DecoderHost(parse_decoder(misbehaving["Raise"])) as host:
        first = host.open(**STREAM)
        for _ in range(2):  # each would fail at its 121st step
            assert not decode(host.open(**STREAM), data[0][:100]).any()
        with pytest.raises(BadInputError, match="expected the decoder that was opened last in its process"):
            first.step(data[0][0])


def test_an_answer_that_was_interrupted_is_not_taken_for_the_next(misbehaving, data, monkeypatch):
    with opened(misbehaving["Still"]) as decoder:
        with monkeypatch.context() as patch:
            patch.setattr(OwnProcess, "_receive", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                decoder.step(data[0][0])
        with pytest.raises(FailureError, match="was interrupted before it had answered"):
            decoder.step(data[0][0])


def test_what_it_prints_is_passed_on_up_to_a_limit(tmp_path, data, capfd):
    (tmp_path / "mine.py").write_text(
        "class Mine:\n  def fit(self, *_): print('fitted', flush=True)\n"
        "  def step(self, counts):\n    print('y' * 40_000, flush=True)\n    return counts[:2]\n"
    )
    text = f"python:{tmp_path / 'mine.py'}:Mine"
    with opened(text) as decoder:
        decoder.fit(*data)
        decode(decoder, data[0][:10])
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("fitted\nyyy")
    assert printed.err.count("y") < 2**16 + 100 < 400_000
    assert printed.err.endswith(f"\n({text} prints more, which is not shown)\n")


def test_a_decoder_may_print_where_there_is_no_stderr(tmp_path, data, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "class Mine:\n  def fit(self, *_): ...\n"
        "  def step(self, counts):\n    print('y' * 4000, flush=True)\n    return counts[:2]\n"
    )
    monkeypatch.setattr("sys.stderr", None)
    with opened(f"python:{tmp_path / 'mine.py'}:Mine") as decoder:
        decoder.fit(*data)
        np.testing.assert_array_equal(decode(decoder, data[0][:100]), data[0][:100, :2])


def test_no_process_is_left(misbehaving, data):
    """Of one that works, one that hangs, and one that has children."""
    for name in ("Still", "Hang", "BareFork"):
        with opened(misbehaving[name], DecoderLimits(step_s=1.0)) as decoder:
            decoder.fit(*data)
            with pytest.raises(FailureError) if name != "Still" else pytest.MonkeyPatch.context():
                decode(decoder, data[0])
    folder = Path(misbehaving["Still"].split(":")[1]).parent
    left = [path.suffix[1:] for path in folder.glob("misbehaving.*") if path.suffix[1:].isdecimal()]
    assert left
    running = subprocess.run(["ps", "-o", "pid=,stat=", "-p", ",".join(left)], capture_output=True, text=True).stdout
    assert running == ""


LEAVING = """
import subprocess
from pathlib import Path

class Leaves:
    '''Starts a process that leaves its group and its session, and whose parent ends.'''
    def fit(self, *_):
        started = subprocess.run(["sh", "-c", "setsid sleep 3600 >/dev/null 2>&1 & echo $!"], stdout=subprocess.PIPE)
        Path(__file__).with_suffix(".started").write_bytes(started.stdout)
    def step(self, counts):
        return counts[:2]

class LeavesAndExits(Leaves):
    def step(self, counts):
        import os
        os._exit(3)
"""


def has_ended(process: int) -> bool:
    """Whether a process is gone, or only waits for its parent to know of its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("name", ["Leaves", "LeavesAndExits"])
def test_what_left_the_session_of_its_decoder_ends_with_it(tmp_path, data, name):
    (tmp_path / "leaving.py").write_text(LEAVING)
    with opened(f"python:{tmp_path / 'leaving.py'}:{name}") as decoder:
        decoder.fit(*data)
        process = int((tmp_path / "leaving.started").read_text())
        assert not has_ended(process)
        with pytest.raises(FailureError) if name == "LeavesAndExits" else pytest.MonkeyPatch.context():
            decoder.step(data[0][0])
    assert has_ended(process)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
def test_what_left_the_session_of_its_decoder_ends_with_whoever_ran_it(tmp_path):
    (tmp_path / "leaving.py").write_text(LEAVING)
    program = (
        "import numpy as np, sys, time\n"
        "from spikeloop.models.decoders.spec import parse_decoder\n"
        "from spikeloop.streamer.inference.isolation.isolated_decoder import DecoderHost\n"
        f"with DecoderHost(parse_decoder('python:{tmp_path / 'leaving.py'}:Leaves')) as host:\n"
        "    decoder = host.open(units=6, bin_size_s=0.02, seed=0)\n"
        "    decoder.fit(np.ones((9, 6)), np.ones((9, 2)))\n"
        "    print('fitted', flush=True)\n"
        "    time.sleep(3600)\n"
    )
    running = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert running.stdout is not None
    assert running.stdout.readline() == b"fitted\n"
    process = int((tmp_path / "leaving.started").read_text())
    running.kill()
    running.communicate()
    while not has_ended(process):  # else pytest ends it
        time.sleep(0.02)


def test_a_decoder_that_could_not_be_opened_fails_at_every_use(data):
    failed = FailedDecoder(FailureError("no room"))
    for use in (lambda: failed.fit(*data), lambda: failed.step(data[0][0])):
        with pytest.raises(FailureError, match="no room"):
            use()
