"""How a stream ran: for programs, for people, and for a notebook."""

from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

from spikeloop.exporters.documents import json_values
from spikeloop.models.html import html_columns
from spikeloop.streamer.bridges.ephys_socket import EphysSocketReport, ephys_socket_words
from spikeloop.streamer.bridges.synapse.report import SynapseReport, synapse_words
from spikeloop.streamer.launch.drive import drive_words
from spikeloop.streamer.mqtt.bridge import BridgeReport
from spikeloop.streamer.mqtt.remote_control import bridge_words
from spikeloop.streamer.stream.health import HealthReport

__all__ = ["StreamReport", "health_words"]


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
        lines = [health_words(self.health), drive_words(self.condition)]
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
    ran = "" if isnan(inference["p50"]) else "inference p50 {p50:.2f}, p99 {p99:.2f} ms; ".format_map(inference)
    return (
        f"{report.bins} bins in {report.steps} steps, speed relative to real time {report.ratio:.4f},"
        f" mean rate {report.mean_rate_hz:.2f} Hz\n"
        f"lateness p50 {lateness['p50']:.3f}, p99 {lateness['p99']:.3f}, max {lateness['max']:.3f} ms;"
        f" {report.late_steps} late steps\n"
        f"{ran}{report.cpu_cores:.3f} CPU cores"
    )
