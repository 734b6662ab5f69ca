"""Labels of quality in MATLAB structs of units, distinguished from names: labels repeat."""

from spikeloop.exporters.formats.named.lazy_arrays import Entry, LazyArrays

__all__ = ["with_labels_apart"]

FIELDS = ("label", "labels", "name", "names")
QUALITY = "quality"


def with_labels_apart(arrays: LazyArrays) -> LazyArrays:
    """Call a field of structs `quality`, where its texts repeat: names of units do not.

    Parameters
    ----------
    arrays : LazyArrays
        Fields of structs under dotted names.
    """
    entries: dict[str, Entry] = {}
    for name, entry in arrays.entries.items():
        struct, _, field = name.rpartition(".")
        repeats = (
            struct
            and field in FIELDS
            and entry.dtype.kind == "U"
            and entry.size > 1
            and len(set(arrays[name].ravel().tolist())) < entry.size
            and f"{struct}.{QUALITY}" not in {*arrays.entries, *entries}
        )
        entries[f"{struct}.{QUALITY}" if repeats else name] = entry
    return LazyArrays(entries)
