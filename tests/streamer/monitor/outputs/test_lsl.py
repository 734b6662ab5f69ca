"""NAME-Monitor, seen by a real inlet."""

from xml.etree import ElementTree

import numpy as np
import pylsl
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.monitor.figures import FIGURES, figures
from spikeloop.streamer.monitor.outputs.lsl import MonitorOutlet
from tests.support.monitored import MakeReport


def inlet_of(name: str) -> pylsl.StreamInlet:
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", name, timeout=60)[0], recover=False)
    inlet.open_stream(10)
    return inlet


def test_an_inlet_sees_every_figure_by_its_label(stream_name, make_report: MakeReport):
    reports = make_report(name=stream_name), make_report(bins=20, name=stream_name, refer=False, importance=False)
    with MonitorOutlet(stream_name) as outlet:
        inlet = inlet_of(f"{stream_name}-Monitor")
        info = inlet.info(10)
        for report in reports:
            outlet.push(report)
        samples = [np.array(inlet.pull_sample(timeout=10)[0]) for _ in reports]
    assert (info.type(), info.nominal_srate(), info.channel_format()) == ("Monitor", 0.0, pylsl.cf_float32)
    channels = ElementTree.fromstring(info.as_xml()).findall("desc/channels/channel")
    assert [(each.findtext("label"), each.findtext("unit")) for each in channels] == [
        (figure.label, figure.unit) for figure in FIGURES
    ]
    for report, values in zip(reports, samples, strict=True):
        np.testing.assert_allclose(values, list(figures(report).values()), rtol=1e-6)
    assert np.isnan(samples[1][[figure.label for figure in FIGURES].index("mean E/F")])
    assert not np.isnan(samples[0]).any()


def test_a_namesake_is_refused_until_it_has_gone(stream_name):
    with (
        MonitorOutlet(stream_name),
        pytest.raises(BadInputError, match=f"'{stream_name}-Monitor' is already on the network"),
        MonitorOutlet(stream_name),
    ):
        pass
    with MonitorOutlet(stream_name):
        pass


def test_what_is_pushed_after_it_closed_goes_nowhere(stream_name, make_report: MakeReport):
    with MonitorOutlet(stream_name) as outlet:
        pass
    outlet.push(make_report())
    assert not pylsl.resolve_byprop("name", f"{stream_name}-Monitor", timeout=0.3)
