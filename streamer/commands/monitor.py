"""`spikeloop monitor`: running statistics, alarms and importance maps beside a stream."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.commands.options import LONGEST_DURATION_S
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.session import Device

__all__ = ["monitor"]

PRIORITY = 5  # lower than the stream's, which must not wait for its monitor


def monitor(
    stream: Positional[str | None] = None,
    *,
    bundle: str = "",
    reference: str = "auto",
    half_life: float = 60.0,
    false_alarms: float = 0.1,
    baseline: float = 600.0,
    window_bins: int | None = None,
    importance: Literal["exact", "none"] = "exact",
    device: Device = "cpu",
    publish: Literal["lsl", "none"] = "lsl",
    mqtt: str | None = None,
    metrics: int | None = None,
    snapshot: Path | None = None,
    snapshot_every: float = 60.0,
    duration: float | None = None,
    wait: bool = False,
    json: bool = False,
) -> int:
    """Watch an LSL stream of spike counts, spikeloop's or any other, until Ctrl-C.

    Tells running statistics over an exponential window and since the start, how far they are from the recording that
    the stream's bundle was trained on, raises an alarm when the population drifts, and maps which spikes matter to the
    bundle's critic. NAME-Monitor carries the figures over LSL; http://127.0.0.1:9464/metrics for Prometheus.

    Parameters
    ----------
    stream
        the stream's name; by default the only one of type Spikes on the network
    bundle
        the stream's bundle, by path, where it isn't one that ships
    reference
        what the stream is compared with: bundle, start (its own first minutes), none, or a recording's name or path; by
        default the bundle where there is one, else start
    half_life
        of the exponential window, s
    false_alarms
        an hour, of all alarms together
    baseline
        seconds of the stream's beginning that it is compared with, where it is
    window_bins
        length of the windows that statistics are of, for a stream without bundle; by default 1 s
    importance
        exact maps each window by the bundle's critic, none maps nothing
    device
        where the critic runs
    publish
        lsl sends the figures as NAME-Monitor
    mqtt
        broker that gets the figures on spikeloop/NAME/monitor, as JSON: mqtt://[USER@]HOST[:PORT] or mqtts://...
    metrics
        port of /metrics on 127.0.0.1; by default 9464 or the next that is free; 0 for none
    snapshot
        .html file to which the state is written, with plots, every `snapshot_every` seconds and at the end
    snapshot_every
        seconds
    duration
        seconds to watch; by default until Ctrl-C
    wait
        for the stream to come, however long that takes
    json
        print one JSON document at the end
    """
    asked = {"--half-life": half_life, "--false-alarms": false_alarms, "--baseline": baseline}
    for option, value in (asked | {"--snapshot-every": snapshot_every}).items():
        if not 0 < value <= LONGEST_DURATION_S:
            raise BadInputError(f"{option}: expected more than 0, found {value:g}")
    if duration is not None and not 0 < duration <= LONGEST_DURATION_S:
        raise BadInputError(f"--duration: expected more than 0 s, found {duration:g}")
    if window_bins is not None and not 2 <= window_bins <= 2**16:
        raise BadInputError(f"--window-bins: expected 2 to 65536, found {window_bins}")
    if snapshot is not None and snapshot.suffix != ".html":
        raise BadInputError(f"--snapshot: expected a file ending in .html, found {snapshot}")
    from spikeloop.streamer.monitor.report import summary
    from spikeloop.streamer.monitor.subject import MonitorSettings
    from spikeloop.streamer.monitor.watch import Outputs, Watch
    from spikeloop.streamer.mqtt.address import parse_address

    settings = MonitorSettings(
        half_life, false_alarms, reference, baseline, bundle, window_bins, importance == "exact", device
    )
    broker = parse_address(mqtt) if mqtt is not None else None
    with suppress(AttributeError, OSError):  # Windows has none
        os.nice(PRIORITY)
    console = SideConsole()
    interrupted = False
    outputs = Outputs(publish == "lsl", metrics, snapshot, snapshot_every, broker)
    with Watch(stream, wait, settings, outputs, console) as watch:
        try:
            watch.run(duration)
        except KeyboardInterrupt:
            interrupted = True
        report = watch.finish()
        if json:
            print_json(summary(report) if report is not None else {"stream": stream, "state": "absent"})
        if watch.failure is not None:
            raise watch.failure
    return 130 if interrupted else 0
