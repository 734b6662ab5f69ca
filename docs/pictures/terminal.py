"""docs/terminal.gif: a terminal in which `spikeloop stream` runs, from its start to its report.

The command runs on a pseudo-terminal; what it writes is interpreted as far as the command uses it, and drawn with the
monospaced font that comes with matplotlib.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from itertools import groupby
from pathlib import Path

import matplotlib
from animation import DARK, save
from PIL import Image, ImageDraw, ImageFont
from places import DOCS

from spikeloop.streamer.commands.results.braille import DOTS

COLUMNS, ROWS = 80, 13
COMMAND = ("stream", "--duration", "8")
SHOWN = f"$ spikeloop {' '.join(COMMAND)}"
FRAME_S, LONGEST_FRAME_S, LAST_FRAME_S = 0.2, 1.0, 4.0
FONT_SIZE = 15
BACKGROUND, FOREGROUND, CYAN = DARK["ground"], DARK["ink"], DARK["line"]
COLOURS = {"36": CYAN, "0": FOREGROUND}
BRAILLE = 0x2800  # the first pattern of Unicode
TOKEN = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n])")

Cell = tuple[str, str]  # a character and its colour


class Screen:
    """What a terminal shows: a cursor, and lines that scroll."""

    def __init__(self) -> None:
        self.lines: list[list[Cell]] = [[]]
        self._row = self._column = 0
        self._colour = FOREGROUND

    def write(self, text: str) -> None:
        for numbers, command, carriage_return, line_feed, character in TOKEN.findall(text):
            if command:
                self._control(numbers, command)
            elif carriage_return:
                self._column = 0
            elif line_feed:
                self._row += 1
                self.lines += [[]] * (self._row - len(self.lines) + 1)
            else:
                self._put(character)

    def _control(self, numbers: str, command: str) -> None:
        if command == "A":
            self._row = max(0, self._row - int(numbers or 1))
        elif command == "K":
            self.lines[self._row] = []
        elif command == "m":
            self._colour = COLOURS.get(numbers or "0", FOREGROUND)

    def _put(self, character: str) -> None:
        if self._column == COLUMNS:
            self._row, self._column = self._row + 1, 0
            self.lines += [[]] * (self._row - len(self.lines) + 1)
        line = list(self.lines[self._row])
        line += [(" ", FOREGROUND)] * (self._column - len(line))
        line[self._column : self._column + 1] = [(character, self._colour)]
        self.lines[self._row] = line
        self._column += 1


def record() -> list[Screen]:
    """Run the command on a pseudo-terminal; the screens, one every `FRAME_S`, and the last one."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    command = [sys.executable, "-m", "spikeloop", *COMMAND]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True)
    os.close(theirs)
    screen, written, frames, next_s = Screen(), SHOWN + "\r\n", [], time.monotonic()
    while True:
        screen.write(written)
        if time.monotonic() >= next_s:
            frames.append(_copy(screen))
            next_s += FRAME_S
        try:
            written = os.read(ours, 65536).decode(errors="replace")
        except OSError:  # the end, on Linux
            break
        if not written:
            break
    process.wait()
    return [*frames, screen]


def _copy(screen: Screen) -> Screen:
    copied = Screen()
    copied.lines = [list(line) for line in screen.lines]
    return copied


def draw(screen: Screen) -> Image.Image:
    """A picture of a screen."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf"
    font = ImageFont.truetype(str(path), FONT_SIZE)
    width, height = round(font.getlength("x")), FONT_SIZE + 4
    image = Image.new("RGB", ((COLUMNS + 2) * width, (ROWS + 1) * height), BACKGROUND)
    pen = ImageDraw.Draw(image)
    for row, line in enumerate(screen.lines[-ROWS:]):
        for column, (character, colour) in enumerate(line):
            left, top = (column + 1) * width, row * height + height // 2
            if BRAILLE <= ord(character) < BRAILLE + 256:
                _draw_dots(pen, left, top, width, height, ord(character) - BRAILLE, colour)
            else:
                pen.text((left, top), character, font=font, fill=colour)
    return image


def _draw_dots(pen: ImageDraw.ImageDraw, left: int, top: int, width: int, height: int, bits: int, colour: str) -> None:
    """A braille pattern, whose glyphs few fonts have."""
    for row, column in zip(*((DOTS & bits) > 0).nonzero(), strict=True):
        x, y = left + (column + 0.25) * width / 2, top + (row + 0.25) * height / 4
        pen.ellipse((x, y, x + 3, y + 3), fill=colour)


def main() -> None:
    screens, durations_s = [], []
    for _, same in groupby(record(), key=lambda screen: screen.lines):
        shown, *repeated = same
        screens.append(shown)
        durations_s.append(min(LONGEST_FRAME_S, FRAME_S * (1 + len(repeated))))
    save(DOCS / "terminal.gif", [draw(screen) for screen in screens], [*durations_s[:-1], LAST_FRAME_S])
