"""Pictures that move, as GIF, which every page and README shows."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

COLOURS = 32  # of an animation, which share one palette
LARGEST = 1_000_000  # bytes
DARK = {"ground": "#14181c", "ink": "#e6eaee", "line": "#56b4e9"}  # as the pages have them in the dark


def save(path: Path, frames: Sequence[Image.Image], durations_s: Sequence[float]) -> None:
    """Write frames as an animation that goes on for ever; it has to be small."""
    palette = _palette_of(frames)
    drawn = [frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations_ms = [round(1000 * each) for each in durations_s]
    drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=durations_ms, loop=0, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {len(frames)} frames, {size / 1000:.0f} kB")
    if size > LARGEST:
        raise SystemExit(f"{path}: expected at most {LARGEST:,} bytes, found {size:,}; draw fewer frames")


def _palette_of(frames: Sequence[Image.Image]) -> Image.Image:
    """The colours of some frames, one below the other."""
    chosen = frames[:: max(1, len(frames) // 8)]
    width, height = chosen[0].size
    stacked = Image.new("RGB", (width, height * len(chosen)))
    for place, frame in enumerate(chosen):
        stacked.paste(frame.convert("RGB"), (0, place * height))
    return stacked.quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
