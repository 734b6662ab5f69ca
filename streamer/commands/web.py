"""`spikeloop web`: a page in the browser beside a stream."""

import webbrowser

from tyro.conf import Positional

from spikeloop.exporters.documents import print_line
from spikeloop.models.errors import BadInputError
from spikeloop.models.significant import significant
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.dashboard.address import LOOPBACK, PORT
from spikeloop.streamer.dashboard.web import SESSIONS
from spikeloop.streamer.dashboard.web import web as open_page
from spikeloop.streamer.launch.checks import LONGEST_DURATION_S

__all__ = ["web"]


def web(
    bundle: Positional[str] = "m1-sim",
    *,
    attach: str | None = None,
    name: str = "spikeloop",
    seed: int = 0,
    port: int = PORT,
    host: str = LOOPBACK,
    token: str | None = None,
    replay: str | None = None,
    save_to: str = SESSIONS,
    decoder: tuple[str, ...] = (),
    open: bool = False,
    duration: float | None = None,
    json: bool = False,
) -> int:
    """Watch, steer and play with a stream in the browser, or replay a file.

    It streams the bundle over LSL as `spikeloop stream` does, or attaches to a stream that runs. The page shows the
    spikes as they come, how far their statistics are from the recording's, and alarms; and it drives, stimulates and
    pauses a stream of its own. The page is for this machine alone unless --host is given, together with --token.

    Parameters
    ----------
    bundle : str
        name of a shipped bundle (see `spikeloop models`), or path of a bundle's folder or .zip
    attach : str, optional
        name of a stream that runs elsewhere, to watch it instead
    name : str
        name of the stream that is started
    seed : int >= 0
        seed of the spikes: the same seed gives the same spikes
    port : int
        port of the page; 0 for any that is free
    host : str
        address to listen on; beyond this machine only with --token
    token : str, optional
        what visitors must show: 16 or more of the characters A-Z, a-z, 0-9, - and _
    replay : str, optional
        a saved session, or a recording by path or name, to play it in the page in place of a stream
    save_to : str
        folder of the games that are saved from the page
    decoder : str ...
        decoders to play with beside those that need nothing but spikes, such as python:FILE.py:NAME or onnx:FILE
    open : bool
        a flag, without a value: open the page in the browser
    duration : float > 0, s, optional
        how long to serve the page; by default until Ctrl-C
    json : bool
        print the report as one JSON document at the end
    """
    if duration is not None and not 0 < duration <= LONGEST_DURATION_S:
        raise BadInputError(f"--duration: expected more than 0 s, found {duration:g}")
    console = SideConsole()
    where = {"port": port, "host": host, "token": token, "save_to": save_to}
    page = open_page(bundle, attach=attach, name=name, seed=seed, decoders=decoder, replay=replay, **where)
    interrupted = False
    with page:
        try:
            print_line(console, f"the page: {page.url}\nCtrl-C ends it")
            if open:
                webbrowser.open(page.url)
            page.wait(duration)
        except KeyboardInterrupt:
            interrupted = True
    report = page.report()
    if json:
        print_json(report.to_dict())
    else:
        print_line(
            console,
            f"{report.viewers} pages, {report.frames} frames, {report.dropped_frames} dropped,"
            f" {report.refused_requests} requests refused; {significant(report.cpu_cores)} CPU cores for the server",
        )
    return 130 if interrupted else 0
