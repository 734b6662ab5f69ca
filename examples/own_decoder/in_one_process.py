"""The same decoder in a thread of the session's own process; options are passed on to `spikeloop closedloop`."""

import sys
import threading

from own_decoder import run

from spikeloop.streamer.commands.main import main

name, stream = "one-process", "one-process-velocity"
threading.Thread(target=run, args=(name, stream), daemon=True).start()
main(["closedloop", "--clock", "real", "--name", name, "--decoder", f"lsl:{stream}", *sys.argv[1:]])
