"""The disk of a recorder is full: it must end with a message, and leave a sound file."""

import numpy as np

from tests.soak.faults.fault import Injected, lasting_s
from tests.soak.lab import Lab

__all__ = ["inject", "why_not"]

RECORDER, REFUSED = "recorder-mortal", "could not write"


def why_not(lab: Lab) -> str:
    """Say whether there is a disk that can be full."""
    return "" if lab.disk.kind else "neither a small file system nor a limit of file sizes can be had here"


def inject(lab: Lab, random: np.random.Generator) -> Injected:
    """Fill the disk, wait for the recorder's end, make room, and start it again."""
    recorder, seconds = lab.programs[RECORDER], lasting_s(random, longest_s=4.0)
    life = recorder.life
    recorder.note_end("made to fail")
    lab.disk.fill(recorder)
    ended = lab.wait_for(lambda: not recorder.is_alive, f"{RECORDER} to end, whose disk is full")
    if not ended:
        recorder.kill()
    lab.sleep(seconds)
    lab.disk.free()
    recorder.start()
    said = life.said.read_text(errors="replace")
    sound = life.code == 1 and REFUSED in said and "Traceback" not in said
    failure = "" if sound else f"{RECORDER}: expected exit code 1 and a message, found {life.code}: {said[-300:]}"
    return Injected(f"the disk of {RECORDER} was full ({lab.disk.kind}) for {seconds:.1f} s", failure=failure)
