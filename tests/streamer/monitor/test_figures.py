import json

import numpy as np
import pytest

from spikeloop.models.measures.table import STATISTICS
from spikeloop.streamer.monitor.figures import FIGURES, figures
from spikeloop.streamer.mqtt.validation import schema_of
from tests.support.monitored import MakeReport


def test_what_goes_over_mqtt_is_what_its_schema_lists():
    keys = [figure.key for figure in FIGURES]
    assert list(schema_of("monitor")["properties"]) == ["stamp_s", *keys]
    assert all(key == key.lower() and " " not in key for key in keys)


def test_labels_keys_and_series_are_each_their_own():
    for names in ([each.key for each in FIGURES], [each.label for each in FIGURES]):
        assert len(set(names)) == len(names)
    series = [each.prometheus for each in FIGURES if each.prometheus]
    assert len(set(series)) == len(series)
    assert all(each.meaning.endswith(".") for each in FIGURES if each.prometheus)


def test_figures_are_the_means_of_the_statistics(make_report: MakeReport):
    report = make_report()
    found = figures(report)
    assert found["fano_factor"] == pytest.approx(report.state.recent["fano_factor"].mean())
    pairs = np.triu_indices(6, k=1)
    assert found["correlation"] == pytest.approx(report.state.recent["correlation"][pairs].mean())
    assert found["mean_rate_hz"] == pytest.approx(report.mean_rate_hz)
    assert json.dumps(found)


def test_a_single_unit_has_no_correlation(make_report: MakeReport):
    assert np.isnan(figures(make_report(units=1))["correlation"])


@pytest.mark.parametrize("key", STATISTICS)
def test_a_summary_of_nothing_is_not_a_number(key):
    assert np.isnan(STATISTICS[key].summary(np.empty((0, 0)), 0.02))
