"""Import pylsl late; whether the names of a source's LSL streams are free; how long LSL keeps samples."""

import math
import os
import re
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from spikeloop.exporters.stream_names import STREAM_TYPES
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.streamer.lsl.log import log_config

__all__ = [
    "LINGER_S",
    "buffer_seconds",
    "check_name_is_free",
    "check_names_are_free",
    "import_pylsl",
]

NAME = re.compile(r"[\w][\w .:-]{0,63}")
LONGEST_NAME = 200
LOOK_FOR_NAMESAKES_S = 0.5
LINGER_S = 0.5  # an inlet loses what it is about to hand out when its stream closes

LEAST_SAMPLES = 2  # that LSL must keep: with room for fewer, its threads spin, and no inlet can be closed
LONGEST_BUFFER_S = 2**31 - 1  # that LSL can be asked for


def import_pylsl() -> ModuleType:
    """Import pylsl late, as it loads liblsl at once.

    Raises
    ------
    FailureError
        If pylsl or liblsl is missing; names what to install.
    """
    try:
        with hold_interrupts():
            import pylsl
    except (ImportError, RuntimeError, OSError) as error:
        raise FailureError(
            "LSL's library could not be loaded; install it (conda install -c conda-forge liblsl, brew install"
            " labstreaminglayer/tap/lsl, or the liblsl package for your Linux) and set PYLSL_LIB to its file"
            f" ({str(error).strip().splitlines()[0]})"
        ) from error
    own = _own_config()
    if "[log]" not in own:
        with suppress(NotImplementedError):  # liblsl before 1.17.7 stays talkative
            pylsl.set_config_content(f"{own}\n{log_config()}")
    return pylsl


def buffer_seconds(wanted_s: int, rate_hz: float) -> int:
    """Return how long LSL is to keep the samples of an inlet: as wanted, or longer for a slow stream.

    Parameters
    ----------
    wanted_s : int >= 1, s
    rate_hz : float >= 0, Hz
        As declared; 0 for an irregular stream, of which LSL keeps hundreds of samples in place of seconds.

    Raises
    ------
    BadInputError
        If the rate is none, or so slow that LSL could not keep two samples.
    """
    if rate_hz == 0:
        return wanted_s
    if not LEAST_SAMPLES / LONGEST_BUFFER_S <= rate_hz < math.inf:
        raise BadInputError(f"expected a rate that samples can come at, found {rate_hz:g} Hz")
    return max(wanted_s, math.ceil(LEAST_SAMPLES / rate_hz))


def _own_config() -> str:
    """Return the user's configuration of liblsl, from where liblsl looks for it; empty without one."""
    for path in (os.environ.get("LSLAPICFG"), "lsl_api.cfg", "~/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg"):
        with suppress(OSError, RuntimeError):  # absent, or no home
            if path:
                return Path(path).expanduser().read_text(encoding="utf-8", errors="replace")
    return ""


def check_name_is_free(name: str) -> None:
    """Check that no stream on the network has this name, or this name with a suffix of `STREAM_TYPES`.

    Parameters
    ----------
    name : str
        Of the counts.

    Raises
    ------
    BadInputError
        If there is one, or the name can't be that of a stream.
    """
    if not NAME.fullmatch(name):
        raise BadInputError(
            f"expected a stream name of at most 64 letters, digits, spaces and . : _ -, found {name!r:.80}"
        )
    check_names_are_free(*(f"{name}{suffix}" for suffix in ("", *STREAM_TYPES)))


def check_names_are_free(*names: str) -> None:
    """Check that no stream on the network has one of these names; looks for half a second.

    Raises
    ------
    BadInputError
        If there is one, or a name can't be that of a stream.
    """
    for name in names:
        if not name.strip() or len(name) > LONGEST_NAME or ("'" in name and '"' in name):
            raise BadInputError(
                f"--name: expected a name of 1 to {LONGEST_NAME} characters, without both kinds of quotes, found"
                f" {name!r:.80}"
            )
    predicate = " or ".join(f"name={_quoted(name)}" for name in sorted(set(names)))
    found = import_pylsl().resolve_bypred(predicate, timeout=LOOK_FOR_NAMESAKES_S)
    if found:
        raise BadInputError(
            f"a stream named {found[0].name()!r} is already on the network (from {found[0].hostname()}); stop it,"
            " or choose another name with --name"
        )


def _quoted(name: str) -> str:
    return f'"{name}"' if "'" in name else f"'{name}'"
