import socket
import urllib.error
import urllib.request

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.monitor.outputs import metrics_server
from spikeloop.streamer.monitor.outputs.prometheus import MOST_UNITS, PORT, PORTS, Metrics
from tests.support.monitored import BIN_SIZE_S, MakeReport

pytestmark = pytest.mark.realtime  # they open sockets

Labels = frozenset[tuple[str, str]]


def scrape(port: int) -> dict[tuple[str, Labels], float]:
    """Samples by name and labels; each once."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation for family in families)
    samples = [
        (each.name, frozenset(each.labels.items()), each.value) for family in families for each in family.samples
    ]
    found = {(name, labels): value for name, labels, value in samples}
    assert len(found) == len(samples)
    return found


def named(found: dict[tuple[str, Labels], float], name: str) -> dict[Labels, float]:
    return {labels: value for (each, labels), value in found.items() if each == name}


def of(**labels: str) -> Labels:
    return frozenset({"stream": "retina", **labels}.items())


def test_a_scrape_tells_what_the_report_does(make_report: MakeReport):
    report = make_report()
    with Metrics(0) as metrics:
        metrics.update(report)
        found = scrape(metrics.port)
    assert found["spikeloop_bins_total", of()] == 6000
    assert found["spikeloop_gaps_total", of()] == 2
    assert found["spikeloop_lost_bins_total", of()] == 34
    assert found["spikeloop_delay_seconds", of()] == pytest.approx(0.0214)
    assert found["spikeloop_mean_rate_hertz", of()] == pytest.approx(report.mean_rate_hz)
    assert found["spikeloop_stream_state", of(state="live")] == 1
    assert found["spikeloop_stream_state", of(state="silent")] == 0
    rates_hz = report.state.recent["rates"] / BIN_SIZE_S
    assert named(found, "spikeloop_unit_rate_hertz") == {of(unit=f"unit {i}"): rate for i, rate in enumerate(rates_hz)}
    for each in report.state.total_deviations:
        ratio = found["spikeloop_deviation_ratio", of(statistic=each.statistic, since="start")]
        assert ratio == pytest.approx(each.ratio)
    score = report.state.alarm_scores["unit lost"][3]
    assert found["spikeloop_alarm_score", of(kind="unit lost", unit="unit 3")] == pytest.approx(score)
    assert found["spikeloop_alarm_score", of(kind="correlations", unit="")] >= 0
    assert report.importance is not None
    assert found["spikeloop_importance", of(unit="unit 5")] == pytest.approx(report.importance.by_unit[5])


def test_what_is_not_known_has_no_series(make_report: MakeReport):
    with Metrics(0) as metrics:
        assert scrape(metrics.port) == {}
        metrics.update(make_report(bins=10, refer=False, importance=False))
        found = scrape(metrics.port)
    names = {name for name, _ in found}
    assert "spikeloop_bins_total" in names
    assert not names & {"spikeloop_mean_rate_hertz", "spikeloop_deviation_ratio", "spikeloop_alarm_score"}
    assert np.isfinite(list(found.values())).all()


def test_many_units_have_no_series_of_their_own(make_report: MakeReport):
    few, many = make_report(MOST_UNITS, 100, refer=False), make_report(MOST_UNITS + 1, 100, refer=False)
    with Metrics(0) as metrics:
        metrics.update(few)
        assert len(named(scrape(metrics.port), "spikeloop_unit_rate_hertz")) == MOST_UNITS
        metrics.update(many)
        found = scrape(metrics.port)
    assert not [labels for _, labels in found if "unit" in dict(labels)]
    assert found["spikeloop_mean_rate_hertz", of()] > 0


def test_any_names_are_labels_that_differ(make_report: MakeReport):
    names = ('a"b\\', 'a"b\\', "c\nd", "é{}")
    with Metrics(0) as metrics:
        metrics.update(make_report(4, 100, names=names, refer=False, importance=False))
        rates = named(scrape(metrics.port), "spikeloop_unit_rate_hertz")
    assert {dict(labels)["unit"] for labels in rates} == {f"{name} [{i}]" for i, name in enumerate(names)}


def test_it_listens_on_loopback_and_until_it_ends(make_report: MakeReport):
    with Metrics(0) as metrics:
        assert scrape(metrics.port) == {}
        with socket.socket() as other:  # by another address of loopback, on which a server for everybody would answer
            other.settimeout(1)
            assert other.connect_ex(("127.0.0.2", metrics.port)) != 0
    with pytest.raises(urllib.error.URLError):
        scrape(metrics.port)
    with Metrics(metrics.port) as again:
        assert again.port == metrics.port


def test_a_port_that_is_taken():
    with Metrics(0) as first, pytest.raises(FailureError, match=f"port {first.port} .* another port"):
        Metrics(first.port).__enter__()
    with pytest.raises(BadInputError, match="0 to 65535, found 70000"):
        Metrics(70000)


def test_without_a_port_the_next_free_one():
    with Metrics() as first, Metrics() as second:
        assert PORT <= first.port < second.port < PORT + PORTS


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "prometheus_client", None)
    with pytest.raises(FailureError, match=r"pip install .*prometheus-client>="):
        Metrics(0).__enter__()


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /metrics HTTP/1.0\r\nAccept: application/openmetrics-text;version=9.x.z\r\n\r\n",
        b"GET /metrics HTTP/1.0\r\nAccept: application/openmetrics-text; version=1.0.0; escaping=\xff\r\n\r\n",
        b"GET /metrics HTTP/1.0\r\nAccept: text/plain;version=\r\n\r\n",
        b"GET /metrics?name[]=%ff&name[]=\x00 HTTP/1.0\r\n\r\n",
        b"GET /metrics HTTP/1.0\r\nno header\r\n\r\n",
        b"GET " + b"/" * 70_000 + b" HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"PUT /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /metrics SPIKES/9\r\n\r\n",
        b"\r\n\r\n",
        b"",
    ],
    ids=range(11),
)
def test_a_malformed_request_is_answered_or_closed_and_prints_nothing(make_report: MakeReport, capfd, request_text):
    with Metrics(0) as metrics:
        metrics.update(make_report())
        with socket.create_connection(("127.0.0.1", metrics.port), timeout=60) as connection:
            connection.sendall(request_text)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(2**16):
                pass
        assert ("spikeloop_bins_total", of()) in scrape(metrics.port)
    assert capfd.readouterr() == ("", "")


def test_connections_that_ask_nothing_are_few_and_end(make_report: MakeReport, capfd, monkeypatch):
    open_at_once, accepted = [], metrics_server._Server.verify_request

    def verify_request(server, request, client_address):
        answer = accepted(server, request, client_address)
        open_at_once.append(len(server._open))
        return answer

    monkeypatch.setattr(metrics_server._Server, "verify_request", verify_request)
    monkeypatch.setattr(metrics_server, "LONGEST_S", 0.5)
    with Metrics(0) as metrics:
        metrics.update(make_report())
        slow = [socket.create_connection(("127.0.0.1", metrics.port), timeout=60) for _ in range(60)]
        assert [connection.recv(1) for connection in slow] == [b""] * 60
        for connection in slow:
            connection.close()
        assert ("spikeloop_bins_total", of()) in scrape(metrics.port)
    assert len(open_at_once) == 61
    assert 0 < max(open_at_once) <= metrics_server.MOST_CONNECTIONS
    assert capfd.readouterr() == ("", "")
