"""`spikeloop monitor`: running statistics, alarms and importance maps beside a stream."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.commands.as_typed import as_typed
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch.checks import LONGEST_DURATION_S

if TYPE_CHECKING:
    from spikeloop.streamer.monitor.run import Watch

__all__ = ["monitor"]

PRIORITY = 5  # lower than the stream's, which must not wait for its monitor


def monitor(
    stream: Positional[str | None] = None,
    *,
    source_id: str = "",
    host: str = "",
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
    """Watch a stream: running statistics, drift alarms, importance maps.

    The monitor follows any LSL stream of spike counts until Ctrl-C. It computes statistics over an exponential window
    and since the start, compares them with the recording that the stream's bundle was trained on, raises an alarm when
    the population drifts, and maps which spikes matter to the bundle's critic. E/F is the distance of a statistic from
    the recording over the distance that chance alone makes. The monitor publishes its results as NAME-Monitor over LSL
    and as Prometheus metrics on http://127.0.0.1:9464/metrics.

    Parameters
    ----------
    stream : str, optional
        name of the stream; by default the only stream of type Spikes on the network
    source_id : str
        source id of the stream, if several have the name
    host : str
        host of the stream, if several have the name
    bundle : str, optional
        path of the stream's bundle, if it is not one that ships
    reference : str
        what the stream is compared with: bundle; start (the stream's own first minutes); none; or a recording's name
        or path. auto is bundle if the stream has one, else start
    half_life : float > 0, s
        half-life of the exponential window
    false_alarms : float > 0, per hour
        rate of false drift alarms to allow, all kinds together
    baseline : float > 0, s
        length of the stream's beginning that serves as reference, with --reference start
    window_bins : int >= 2, bins, optional
        length of the windows for a stream without bundle; by default 1 s
    importance : str
        exact computes an importance map of each window with the bundle's critic; none computes no maps
    device : str
        processor that runs the critic
    publish : str
        lsl publishes the results as NAME-Monitor; none does not
    mqtt : str, optional
        broker to publish the results to, as JSON on spikeloop/NAME/monitor: mqtt://[USER@]HOST[:PORT] or mqtts://...
    metrics : int, optional
        port of /metrics on 127.0.0.1, 0 for none; by default 9464 or the next free one
    snapshot : path, optional
        .html file to write, with plots: every --snapshot-every seconds and at the end
    snapshot_every : float > 0, s
        time between two snapshots
    duration : float > 0, s, optional
        time to watch; by default until Ctrl-C
    wait : bool
        a flag, without a value: wait for the stream to appear, however long that lasts
    json : bool
        print the report as one JSON document at the end
    """
    positive = {"--half-life": half_life, "--false-alarms": false_alarms, "--baseline": baseline}
    command = as_typed(monitor, locals())
    _check_options(positive | {"--snapshot-every": snapshot_every}, duration, window_bins, snapshot)
    from spikeloop.streamer.lsl.heaps import share_one_heap
    from spikeloop.streamer.lsl.stream_query import StreamQuery
    from spikeloop.streamer.monitor.outputs.document import monitor_document
    from spikeloop.streamer.monitor.run import Outputs, Watch
    from spikeloop.streamer.monitor.subject import MonitorSettings
    from spikeloop.streamer.mqtt.address import parse_address

    share_one_heap()
    settings = MonitorSettings(
        half_life, false_alarms, reference, baseline, bundle, window_bins, importance == "exact", device
    )
    broker = parse_address(mqtt) if mqtt is not None else None
    with suppress(AttributeError, OSError):  # Windows has none
        os.nice(PRIORITY)
    outputs = Outputs(publish == "lsl", metrics, snapshot, snapshot_every, broker, command)
    with Watch(StreamQuery(stream, source_id, host), wait, settings, outputs, SideConsole()) as watch:
        interrupted = _run(watch, duration)
        report = watch.finish()
        if json:
            print_json(monitor_document(report) if report is not None else {"stream": stream, "state": "absent"})
        if watch.failure is not None:
            raise watch.failure
    return 130 if interrupted else 0


def _check_options(
    positive: Mapping[str, float], duration_s: float | None, window_bins: int | None, snapshot: Path | None
) -> None:
    """Check what can be checked before the work."""
    for option, value in positive.items():
        if not 0 < value <= LONGEST_DURATION_S:
            raise BadInputError(f"{option}: expected more than 0, found {value:g}")
    if duration_s is not None and not 0 < duration_s <= LONGEST_DURATION_S:
        raise BadInputError(f"--duration: expected more than 0 s, found {duration_s:g}")
    if window_bins is not None and not 2 <= window_bins <= 2**16:
        raise BadInputError(f"--window-bins: expected 2 to 65536, found {window_bins}")
    if snapshot is not None and snapshot.suffix != ".html":
        raise BadInputError(f"--snapshot: expected a file ending in .html, found {snapshot}")
    if snapshot is not None:
        check_writable(snapshot)


def _run(watch: "Watch", duration_s: float | None) -> bool:
    """Watch, and return whether Ctrl-C ended it."""
    try:
        watch.run(duration_s)
    except KeyboardInterrupt:
        return True
    return False
