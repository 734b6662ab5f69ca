"""How a stream ran: for programs, for people, and for a notebook."""

from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

from spikeloop.exporters.documents import json_values
from spikeloop.models.html import html_columns
from spikeloop.models.plural import number_of
from spikeloop.models.significant import significant
from spikeloop.streamer.bridges.ephys_socket import EphysSocketReport, ephys_socket_words
from spikeloop.streamer.bridges.synapse.report import SynapseReport, synapse_words
from spikeloop.streamer.launch.drive import drive_words
from spikeloop.streamer.mqtt.bridge import BridgeReport
from spikeloop.streamer.mqtt.remote_control import bridge_words
from spikeloop.streamer.stream.health import HealthReport

__all__ = ["StreamReport", "busy_words", "health_words"]

BUSY = 0.01  # share of late steps from which on the 99th percentile of lateness is a step or more


@dataclass(frozen=True, repr=False)
class StreamReport:
    """How a stream ran; `print(report)` shows it.

    Attributes
    ----------
    bundle, sha256 : str
        Name and SHA-256 of what was streamed.
    seed : int
    provider : str
        What ran the generator.
    name : str
        The LSL stream's name.
    step_bins : int
    condition : dict
        What drove the population, as it was `asked` for; of a live drive also how it arrived.
    health : HealthReport
        Bins, steps, timing and mean rate.
    mqtt : BridgeReport or None
        How the connection with the broker was, where there was one.
    monitor : dict or None
        What the monitor reported at its end; None without one, or where it failed.
    monitored : bool
        Whether there was a monitor.
    monitor_remark : str
        The monitor's last line.
    ephys_socket : EphysSocketReport or None
        Who received the voltage as the Open Ephys GUI does, where this was asked for.
    synapse : SynapseReport or None
        What clients of the Synapse protocol received and sent, likewise.
    """

    bundle: str
    sha256: str
    seed: int
    provider: str
    name: str
    step_bins: int
    condition: dict[str, Any]
    health: HealthReport
    mqtt: BridgeReport | None = None
    monitor: dict[str, Any] | None = None
    monitored: bool = False
    monitor_remark: str = ""
    ephys_socket: EphysSocketReport | None = None
    synapse: SynapseReport | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `spikeloop stream --json` prints, all of what JSON holds."""
        names = ("bundle", "sha256", "seed", "provider", "name", "step_bins", "condition")
        document = {name: getattr(self, name) for name in names} | asdict(self.health)
        document |= {"monitor": self.monitor} if self.monitored else {}
        document |= {"ephys_socket": asdict(self.ephys_socket)} if self.ephys_socket is not None else {}
        document |= {"synapse": asdict(self.synapse)} if self.synapse is not None else {}
        return json_values(document | ({"mqtt": asdict(self.mqtt)} if self.mqtt is not None else {}))

    def __repr__(self) -> str:
        lines = [health_words(self.health), busy_words(self.health), drive_words(self.condition)]
        lines += [bridge_words(self.mqtt)] if self.mqtt is not None else []
        lines += [f"monitor: {self.monitor_remark}"] if self.monitored else []
        lines += [ephys_socket_words(self.ephys_socket)] if self.ephys_socket is not None else []
        lines += [synapse_words(self.synapse)] if self.synapse is not None else []
        return "\n".join(filter(None, lines))

    def _repr_html_(self) -> str:
        head = f"{self.name}: {self.bundle}, seed {self.seed}, on {self.provider}"
        return html_columns(head, (), [(line,) for line in str(self).splitlines()])


def health_words(report: HealthReport) -> str:
    """Put the figures of a stream into words, on three lines."""
    lateness, inference = report.lateness_ms, report.inference_ms
    ran = f"inference {_quantiles(inference)} ms; " if not isnan(inference["p50"]) else ""
    return (
        f"{report.bins} bins in {report.steps} steps, speed relative to real time {report.ratio:.4f},"
        f" mean rate {report.mean_rate_hz:.2f} Hz\n"
        f"lateness {_quantiles(lateness)} ms; {number_of(report.late_steps, 'late step')}\n"
        f"{ran}{significant(report.cpu_cores)} CPU cores"
    )


def busy_words(report: HealthReport) -> str:
    """Say that the machine was too busy for a stream, and what to do; empty where it was not."""
    if report.late_steps < BUSY * report.steps or not report.late_steps:
        return ""
    return (
        f"the machine was too busy: {report.late_steps} of {number_of(report.steps, 'step')} went out when the next was"
        f" already due, the latest {significant(report.lateness_ms['max'])} ms after its time; stop other programs, or"
        " send more bins at once with --step-bins"
    )


def _quantiles(durations_ms: dict[str, float]) -> str:
    return ", ".join(f"{name} {significant(value)}" for name, value in durations_ms.items())
