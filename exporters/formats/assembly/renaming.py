"""New names and units of conditions, of recordings and of bundles."""

from collections.abc import Mapping, Sequence

from spikeloop.exporters.formats.choices import split_unit
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition, conditions_from
from spikeloop.models.recordings.physical_units import factor_between

__all__ = ["relabelled_channels", "renamed_channels"]


def renamed_channels(channels: Sequence[Condition], rename: Mapping[str, str]) -> tuple[Condition, ...]:
    """Give conditions new names and, where a name ends in [UNIT], new units; values and ranges stay as they are.

    Parameters
    ----------
    channels : sequence of Condition
    rename : mapping of str to str
        Such as {"vx": "velocity x [cm/s]"}.

    Raises
    ------
    BadInputError
        If there is no such condition, two would have one name, or a name can't be shown.
    """
    known = [channel.name for channel in channels]
    if odd := [old for old in rename if old not in known]:
        raise BadInputError(
            f"--rename: expected a condition ({', '.join(known) or 'there are none'}), found {odd[0]!r:.60}"
        )
    entries = []
    for channel in channels:
        name, unit = split_unit(rename[channel.name]) if channel.name in rename else (channel.name, None)
        entries.append(vars(channel) | {"name": name, "unit": channel.unit if unit is None else unit})
    names = [entry["name"] for entry in entries]
    if rename and (twice := [name for place, name in enumerate(names) if name in names[:place]]):
        raise BadInputError(f"--rename: expected names of their own, found two conditions named {twice[0]!r:.60}")
    return conditions_from(entries, "--rename")


def relabelled_channels(channels: Sequence[Condition], rename: Mapping[str, str]) -> tuple[Condition, ...]:
    """Give the conditions of a trained model new names and units, while the values that it expects stay the same.

    Raises
    ------
    BadInputError
        As `renamed_channels`; or if another unit would ask for other values, as cm/s in place of m/s.
    """
    renamed = renamed_channels(channels, rename)
    for before, after in zip(channels, renamed, strict=True):
        if factor_between(before.unit, after.unit) not in (None, 1.0):
            raise BadInputError(
                f"--rename: the model expects {before.name} in {before.unit}, and can't be given {after.unit}; leave"
                " the unit out (a closed loop converts it by itself), or train on a recording in the other unit"
            )
    return renamed
