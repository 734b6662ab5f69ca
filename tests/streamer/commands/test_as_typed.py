"""The command that a page says made it."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from spikeloop.streamer.commands.as_typed import as_typed


@dataclass(frozen=True)
class Reading:
    key: str | None = None
    transpose: bool = False
    bin_size_ms: float | None = None


def weigh_up(
    model: str = "retina",
    *,
    data: str,
    bin_ms: tuple[float, ...] = (),
    seed: int = 0,
    report: Path | None = None,
    reading: Reading = Reading(),
    quick: bool = False,
    json: bool = False,
) -> int:
    return 0


def test_only_what_is_not_by_default_is_said_and_the_seed():
    given = {"model": "retina", "data": "a b.npz", "bin_ms": (), "seed": 0, "report": Path("page.html"),
             "reading": Reading(), "quick": False, "json": True, "beside": 3}  # fmt: skip
    assert shlex.split(as_typed(weigh_up, given)) == ["spikeloop", "weigh-up", "--data", "a b.npz", "--seed", "0"]


def test_flags_lists_and_options_of_reading_are_said_as_a_person_types_them():
    given = {"model": "mine", "data": "x", "bin_ms": (20.0, 40.5), "seed": 3, "report": None,
             "reading": Reading("spikes", transpose=True, bin_size_ms=5.0), "quick": True, "json": False}  # fmt: skip
    assert shlex.split(as_typed(weigh_up, given)) == [
        "spikeloop", "weigh-up", "mine", "--data", "x", "--bin-ms", "20.0", "40.5", "--seed", "3", "--key", "spikes",
        "--transpose", "--bin-size-ms", "5.0", "--quick",
    ]  # fmt: skip
