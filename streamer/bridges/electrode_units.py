"""The units that a stimulus at an electrode reaches."""

from collections.abc import Iterable, Sequence

from spikeloop.streamer.broadband.templates import Template

__all__ = ["units_at"]


def units_at(templates: Sequence[Template], electrodes: Iterable[int]) -> tuple[int, ...]:
    """Return the units that are nearest to one of these electrodes.

    Parameters
    ----------
    templates : sequence of Template
        Of the units.
    electrodes : iterable of int >= 0

    Returns
    -------
    tuple of int
    """
    reached = set(electrodes)
    return tuple(unit for unit, template in enumerate(templates) if template.peak_channel in reached)
