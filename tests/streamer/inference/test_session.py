"""Graphs that loop for ever: every run of every graph ends, at its limit of time or after Ctrl-C."""

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.errors import SpikeloopError
from spikeloop.models.interrupts import ENDING
from spikeloop.streamer.inference import session
from spikeloop.streamer.inference.bin_engine import BinEngine
from spikeloop.streamer.inference.critic_engine import Critic
from spikeloop.streamer.inference.decoder_files.onnx_file import open_onnx
from spikeloop.streamer.inference.window_engine import Engine
from tests.support.endless import endless
from tests.support.tiny import tiny_bundle, tiny_generator, tiny_stream_bundle, tiny_stream_generator

PROGRAM = """
import os, sys, threading, time
from spikeloop.__main__ import main
from spikeloop.streamer.inference.session import SESSIONS

def interrupt():
    while not any(session.runs_since(time.monotonic()) for session in list(SESSIONS)):
        time.sleep(0.01)
    print("in the graph", flush=True)
    os.kill(os.getpid(), int(sys.argv[1]))

threading.Thread(target=interrupt, daemon=True).start()
main(sys.argv[2:])
"""


def run_windows(folder):
    Engine(tiny_bundle(folder / "endless", generator=endless(tiny_generator())), "cpu")


def run_bins(folder):
    BinEngine(tiny_stream_bundle(folder / "endless", generator=endless(tiny_stream_generator())), "cpu")


def run_critic(folder):
    bundle = load_bundle("retina")
    Critic(replace(bundle, critic=endless(bundle.critic)), "cpu").score(np.zeros((1, 32, 50), np.float32))


def run_decoder(folder):
    onnx = pytest.importorskip("onnx")
    counts, velocity = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 2]) for name in ("counts", "velocity")
    )
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["counts"], ["velocity"])], "decoder", [counts], [velocity]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    open_onnx(endless(model.SerializeToString()), units=2, bin_size_s=0.02)


@pytest.mark.parametrize("work", [run_windows, run_bins, run_critic, run_decoder])
def test_a_run_without_end_is_ended_at_its_limit_and_says_so(work, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "FIRST_RUN_S", 0.2)
    with pytest.raises(SpikeloopError, match=r"ran for longer than 0\.2 s and was ended; it may loop for ever"):
        work(tmp_path)


def test_a_session_whose_run_was_ended_runs_again(tmp_path):
    engine = Engine(tiny_bundle(tmp_path / "sound"), "cpu")
    engine._session.end_runs("too late")
    latent = np.zeros((1, 8), np.float32)
    with pytest.raises(SpikeloopError, match="the generator failed \\(too late\\)"):
        engine.run(latent)
    assert engine.run(latent).shape == (1, 32, 96)
    assert not engine._session.runs_since(time.monotonic())


@pytest.mark.skipif(not ENDING, reason="Windows ends a process at once")
@pytest.mark.parametrize("number", [2, *map(int, ENDING)])
def test_a_command_inside_a_graph_without_end_ends_with_the_code_of_ctrl_c(number, tmp_path):
    tiny_stream_bundle(tmp_path / "endless", generator=endless(tiny_stream_generator()))
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            PROGRAM,
            str(number),
            "generate",
            tmp_path / "endless",
            "--duration",
            "1",
            "--out",
            "s.npz",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    said = ended.stderr.replace("spikeloop: interrupted; ending what is under way", "")  # if it took a moment
    assert (ended.returncode, ended.stdout, said.strip()) == (130, "in the graph\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["endless"]
