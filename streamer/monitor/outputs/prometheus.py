"""The state of a monitored stream for Prometheus, over HTTP on this machine alone."""

import math
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Self

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.packages import install_command
from spikeloop.streamer.monitor.figures import FIGURES
from spikeloop.streamer.monitor.outputs.metrics_server import serve_metrics
from spikeloop.streamer.monitor.report import MonitorReport

__all__ = ["Metrics"]

LOOPBACK = "127.0.0.1"
PORT, PORTS = 9464, 10  # the first that is tried, and how many
MOST_UNITS = 256  # that have series of their own: a database keeps each for weeks


class Metrics:
    """A server of the latest report at http://127.0.0.1:PORT/metrics, from entering to leaving the context.

    Streams of more than 256 units have no series of single units.

    Parameters
    ----------
    port : int or None
        None for 9464, or the first of the nine after it that is free; 0 for any free port.

    Attributes
    ----------
    port : int
        The port that it listens on, once entered.

    Raises
    ------
    BadInputError
        If there is no such port.
    FailureError
        On entering, if the port is taken, or prometheus_client is not installed.
    """

    def __init__(self, port: int | None = None) -> None:
        if port is not None and not 0 <= port < 2**16:
            raise BadInputError(f"expected a port from 0 to 65535, found {port}; give another")
        self._asked = port
        self._latest: MonitorReport | None = None

    def __enter__(self) -> Self:
        try:
            client: Any = import_module("prometheus_client")
            self._families: Any = import_module("prometheus_client.metrics_core")
        except ImportError as error:
            raise FailureError(
                f"prometheus_client is not installed, which /metrics needs; {install_command('monitor')}"
            ) from error
        registry = client.CollectorRegistry(auto_describe=False)
        registry.register(self)
        self._server, self._thread = self._listen(client, registry)
        self.port: int = self._server.server_port
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def update(self, report: MonitorReport) -> None:
        """Serve this report from now on."""
        self._latest = report

    def collect(self) -> Iterator[Any]:
        """Yield Prometheus's families of samples, all from one report; none before the first."""
        report = self._latest
        return iter(()) if report is None else _Families(self._families, report.stream.name).of(report)

    def _listen(self, client: Any, registry: Any) -> tuple[Any, Any]:
        ports = range(PORT, PORT + PORTS) if self._asked is None else [self._asked]
        refused: OSError | None = None
        for port in ports:
            try:
                return serve_metrics(LOOPBACK, port, client.make_wsgi_app(registry))
            except OSError as error:
                refused = error
        tried = f"{ports[0]}" if len(ports) == 1 else f"{ports[0]} to {ports[-1]}"
        raise FailureError(
            f"could not listen on port {tried} of {LOOPBACK} ({refused}); give another port"
        ) from refused


class _Families:
    """A report as families of samples, each sample labelled with the stream's name; what is not known has no sample.

    Parameters
    ----------
    core : the module prometheus_client.metrics_core
    stream : str, the stream's name
    """

    def __init__(self, core: Any, stream: str) -> None:
        self._core, self._stream = core, stream

    def of(self, report: MonitorReport) -> Iterator[Any]:
        yield from self._of_stream(report)
        yield from self._figures(report)
        yield from self._of_reception(report)
        yield from self._of_reference(report)
        if report.importance is not None:
            yield self._counter("importance_maps", "Windows that were mapped.", report.importance.maps)
            yield self._counter("importance_skipped_windows", "Windows left unmapped.", report.importance.skipped)
        if len(report.stream.unit_names) <= MOST_UNITS:
            yield from self._of_units(report)

    def _of_stream(self, report: MonitorReport) -> Iterator[Any]:
        stream = report.stream
        labels = {"stream": stream.name, "type": stream.type, "host": stream.hostname, "reference": report.reference}
        own = {"bundle": stream.bundle, "sha256": stream.sha256, "seed": stream.seed, "condition": stream.condition}
        labels |= {name: str(value) for name, value in own.items() if value is not None}
        yield self._core.InfoMetricFamily("spikeloop_stream", "The stream that is monitored.", labels)
        states = {(state,): float(state == report.reception.state) for state in ("live", "silent", "absent")}
        yield self._gauge("stream_state", "1 of the state that the stream is in.", states, ("state",))
        yield self._gauge("watched_seconds", "Since the monitor began.", {(): report.watched_s})
        yield self._gauge("cpu_cores", "Processor time of the monitor over time passed.", {(): report.cpu_cores})

    def _figures(self, report: MonitorReport) -> Iterator[Any]:
        for figure in FIGURES:
            if figure.prometheus and figure.unit == "count":
                yield self._counter(figure.prometheus, figure.meaning, figure.value(report))
            elif figure.prometheus:
                yield self._gauge(figure.prometheus, figure.meaning, {(): figure.value(report)})

    def _of_reception(self, report: MonitorReport) -> Iterator[Any]:
        reception, state = report.reception, report.state
        yield self._counter("invalid_bins", "Bins left out for values that are no counts.", reception.invalid_bins)
        other_clock = {(): float(reception.other_clock)}
        yield self._gauge("other_clock", "1 where the stream is stamped by another clock than LSL's.", other_clock)
        yield self._counter("saturated_bins", "Bins left out for counts cut off at 127.", reception.saturated_bins)
        yield self._counter("windows", "Whole windows that the statistics are of.", state.windows)
        yield self._counter("dropped_bins", "Bins of windows that a gap cut short.", state.dropped_bins)
        for name, meaning, delay_ms in (
            ("delay_seconds", "From the end of the newest bin to its arrival.", reception.delay_ms),
            ("longest_delay_seconds", "The longest from the end of a bin to its arrival.", reception.longest_delay_ms),
        ):
            yield self._gauge(name, meaning, {(): math.nan if delay_ms is None else delay_ms / 1e3})

    def _of_reference(self, report: MonitorReport) -> Iterator[Any]:
        state = report.state
        both = {"recent": state.recent_deviations, "start": state.total_deviations}
        ratios = {
            (deviation.statistic, since): deviation.ratio
            for since, deviations in both.items()
            for deviation in deviations
        }
        meaning = "Distance from the reference over the distance that chance makes, recently and since the start."
        yield self._gauge("deviation_ratio", meaning, ratios, ("statistic", "since"))
        nearest = {(kind,): float(scores.max()) for kind, scores in state.alarm_scores.items() if len(scores)}
        yield self._gauge("nearest_alarm_score", "The largest of a kind of alarm; raised at 1.", nearest, ("kind",))

    def _of_units(self, report: MonitorReport) -> Iterator[Any]:
        names, state = _distinct(report.stream.unit_names), report.state
        if state.windows:
            rates = zip(names, state.recent["rates"] / report.bin_size_s, strict=True)
            yield self._gauge("unit_rate_hertz", "Rate of a unit.", {(unit,): rate for unit, rate in rates}, ("unit",))
        scores = {
            (kind, unit): score
            for kind, of_kind in state.alarm_scores.items()
            for unit, score in zip(names if len(of_kind) == len(names) else ("",), of_kind, strict=True)
        }
        meaning = "How near an alarm is to being raised, 0 to 1; of the population without a unit."
        yield self._gauge("alarm_score", meaning, scores, ("kind", "unit"))
        if report.importance is not None:
            importance = {(unit,): value for unit, value in zip(names, report.importance.by_unit, strict=True)}
            yield self._gauge("importance", "Mean importance of a unit's spikes to the critic.", importance, ("unit",))

    def _counter(self, name: str, meaning: str, value: float) -> Any:
        family = self._core.CounterMetricFamily(f"spikeloop_{name}", meaning, labels=["stream"])
        family.add_metric([self._stream], value)
        return family

    def _gauge(
        self, name: str, meaning: str, values: Mapping[tuple[str, ...], float], labels: Sequence[str] = ()
    ) -> Any:
        family = self._core.GaugeMetricFamily(f"spikeloop_{name}", meaning, labels=["stream", *labels])
        for labelled, value in values.items():
            if not math.isnan(value):
                family.add_metric([self._stream, *labelled], float(value))
        return family


def _distinct(names: Sequence[str]) -> list[str]:
    """Names as labels, which must differ: where some don't, each with its unit's place."""
    return list(names) if len(set(names)) == len(names) else [f"{name} [{i}]" for i, name in enumerate(names)]
