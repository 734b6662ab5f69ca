"""A bundle under another name, or with other names of what drives it: a new card, and the same graphs."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from spikeloop.exporters.bundle import Bundle, write_bundle
from spikeloop.exporters.formats.assembly.renaming import relabelled_channels

__all__ = ["rename_bundle"]


def rename_bundle(
    bundle: Bundle, out: Path, name: str | None = None, rename: Mapping[str, str] | None = None
) -> Bundle:
    """Write a bundle with other names; it generates the same spikes, and its graphs keep their hashes.

    Parameters
    ----------
    bundle : Bundle
    out : pathlib.Path
        A folder, or a file that ends in `.zip`; may be where the bundle is.
    name : str, default that of `out`
        The bundle's name.
    rename : mapping of str to str, optional
        New names of conditions, which may end in a unit: {"vx": "velocity x [cm/s]"}.

    Returns
    -------
    Bundle
        As read back.

    Raises
    ------
    BadInputError
        If there is no such condition, a name can't be, or `out` is no place for a bundle.
    FailureError
        If the disk refuses.
    """
    channels = relabelled_channels(bundle.card.channels, rename or {})
    card = dataclasses.replace(
        bundle.card, name=name or out.stem, conditions=tuple(dataclasses.asdict(channel) for channel in channels)
    )
    return write_bundle(
        out, card, bundle.generator, bundle.critic, bundle.reference, bundle.parameters, bundle.critic_changes,
        bundle.critic_effects, bundle.critic_weights,
    )  # fmt: skip
