import json
import math

import numpy as np
import onnx
import onnx.parser
import pytest

from spikeloop.models.measures.falcon_scores import variance_weighted_r_squared
from spikeloop.streamer.closedloop.results.falcon import falcon_of, normalized_latencies
from spikeloop.streamer.closedloop.results.page import write_page
from spikeloop.streamer.closedloop.results.report import as_document, report_of
from spikeloop.streamer.commands.output import print_json
from spikeloop.streamer.commands.results.closedloop import print_findings
from tests.support.compared import UNITS, run, setup_of, tiny


class Kept:
    """Decodes the first two counts; remembers every bin since its fit, with what it said."""

    made: list = []  # noqa: RUF012

    def __init__(self):
        self.said = []
        Kept.made.append(self)

    def fit(self, counts, kinematics):
        self.said.clear()

    def step(self, counts):
        self.said.append(10 * (counts[:2] - 0.5))
        return self.said[-1]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("decoder") / "first.onnx"
    model = onnx.parser.parse_model(f"""
        <ir_version: 10, opset_import: ["": 18]>
        first (float[1, {UNITS}] counts) => (float[1, 2] velocity) {{
            place = Constant<value = int64[2] {{0, 1}}>()
            velocity = Gather<axis = 1>(counts, place)
        }}
    """)
    onnx.save(model, path)
    return path


def test_a_session_is_scored_on_the_held_out_end_of_its_calibration(path):
    Kept.made.clear()
    setup = setup_of(path, {"kept": Kept}, sessions=2, trials=2, in_process=True)
    runs = run(setup)
    report = falcon_of("kept", setup.decoders["kept"], runs)
    expected = []
    for each, decoder in zip(runs, Kept.made[-2:], strict=True):
        truth = each.record.blocks[0].velocity[400:]
        expected.append(variance_weighted_r_squared(truth, np.array(decoder.said[:100])))
    assert report.held_in.sessions == 2
    assert (report.held_in.mean, report.held_in.sd) == pytest.approx((np.mean(expected), np.std(expected)))
    assert report.held_out.sessions == 0


def test_sessions_of_a_decoder_that_had_learned_are_held_out_and_the_oracle_has_none(path, file):
    setup = setup_of(path, {"file": f"onnx:{file}", "kalman": "kalman", "oracle": "oracle"}, trials=1)
    of_file, of_kalman, of_oracle = report_of(setup, run(setup), command="").falcon
    assert (of_file.held_in.sessions, of_file.held_out.sessions) == (0, 1)
    assert (of_kalman.held_in.sessions, of_kalman.held_out.sessions) == (1, 0)
    assert (of_oracle.held_in.sessions, of_oracle.held_out.sessions) == (0, 0)


def test_the_latency_is_of_all_steps_and_stands_in_no_document_of_a_simulated_clock(path, capsys):
    setup = setup_of(path, ("kalman", "oracle"), sessions=2, trials=2)
    runs = run(setup)
    report = report_of(setup, runs, command="")
    taken = [each.taken for each in runs if each.decoder == "kalman" and each.taken is not None]
    bins = [100 + len(each.record.blocks[-1].counts) for each in runs if each.decoder == "kalman"]
    assert [each.neural_s for each in taken] == pytest.approx([0.02 * each for each in bins])
    compute_s, neural_s = sum(each.compute_s for each in taken), sum(each.neural_s for each in taken)
    assert normalized_latencies(runs) == {"kalman": pytest.approx(compute_s / neural_s)}
    assert 0 < report.normalized_latency["kalman"] < math.inf
    print_json(as_document(report))
    document = json.loads(capsys.readouterr().out)
    assert "normalized_latency" not in document
    assert document["falcon"][0]["held_in"]["sessions"] == 2
    print_findings(report)
    printed = capsys.readouterr().out
    assert "FALCON kalman: R2 held in " in printed
    assert "normalized latency" in printed
    assert "FALCON oracle" not in printed


def test_the_page_has_the_scores(path, tmp_path):
    setup = setup_of(path, ("kalman", "chance"), trials=2)
    runs = run(setup)
    report = report_of(setup, runs, command="")
    write_page(tmp_path / "page.html", report, setup, runs)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "FALCON" in page
    assert str(report.falcon[0].held_in) in page
    assert "ormalized latency" not in page
