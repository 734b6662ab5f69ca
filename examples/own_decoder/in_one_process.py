"""The same decoder in a thread of the session's own process; options are passed on to `spikeloop closedloop`."""

import os
import sys
import threading

from own_decoder import run

from spikeloop.__main__ import main

name = f"one-process-{os.getpid()}"  # another session on this network may run the same
stream = f"{name}-velocity"
threading.Thread(target=run, args=(name, stream), daemon=True).start()
main(["closedloop", "--clock", "real", "--name", name, "--decoder", f"lsl:{stream}", *sys.argv[1:]])
