"""What made spikes, as metadata of the lab in an NWB file: an extension of the standard, kept in the file itself."""

import json
import tempfile
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from spikeloop.models.packages import import_package
from spikeloop.models.recordings.provenance import Provenance, parse_provenance

__all__ = ["LAB_METADATA", "lab_metadata", "manager", "parse_lab_metadata"]

LAB_METADATA = "general/spikeloop"  # where it is in a file
NAMESPACE, KIND = "ndx-spikeloop", "SpikeloopMetaData"
ATTRIBUTES = {
    "bundle": "Name of the bundle that made the spikes.",
    "sha256": "Hash of the bundle.",
    "seed": "Seed of the random numbers, as decimal digits.",
    "condition": "What drove the population, as the user asked for it.",
    "spikeloop_version": "Version of spikeloop that made the spikes.",
    "provenance": "All that is needed to make the spikes again, as a JSON object.",
    "card": "The bundle's card, as a JSON object; empty where it is not known.",
}


def lab_metadata(provenance: Provenance, card: str = "") -> Any:
    """Return metadata for `pynwb.NWBFile.add_lab_meta_data`.

    Parameters
    ----------
    provenance : Provenance
    card : str, default ""
        The bundle's card, as JSON.
    """
    return _types().get_dt_container_cls(KIND, NAMESPACE)(
        name=LAB_METADATA.rpartition("/")[2],
        bundle=provenance.bundle,
        sha256=provenance.sha256,
        seed=str(provenance.seed),
        condition=provenance.condition,
        spikeloop_version=provenance.version,
        provenance=json.dumps(asdict(provenance)),
        card=card,
    )


def parse_lab_metadata(text: str) -> Provenance | None:
    """Read the attribute `provenance`; None where it is damaged."""
    try:
        stated = json.loads(text)
    except ValueError:
        return None
    return parse_provenance(stated) if isinstance(stated, dict) else None


def manager() -> Any:
    """Return what `pynwb.NWBHDF5IO` needs to write such metadata."""
    return import_package("hdmf.build", "writing NWB files").BuildManager(_types())


@cache
def _types() -> Any:
    """Make PyNWB's types with the extension; its own stay as they are, as other programs of the process use them."""
    pynwb = import_package("pynwb", "writing NWB files")
    spec = import_package("pynwb.spec", "writing NWB files")
    builder = spec.NWBNamespaceBuilder("What made spikes that spikeloop generated.", NAMESPACE, version="1.0.0")
    builder.include_type("LabMetaData", namespace="core")
    kind = spec.NWBGroupSpec(
        "What made spikes that spikeloop generated.",
        neurodata_type_def=KIND,
        neurodata_type_inc="LabMetaData",
        attributes=[spec.NWBAttributeSpec(name, doc, "text", required=True) for name, doc in ATTRIBUTES.items()],
    )
    builder.add_spec(f"{NAMESPACE}.extensions.yaml", kind)
    types = pynwb.get_type_map()
    with tempfile.TemporaryDirectory() as folder:
        builder.export(f"{NAMESPACE}.namespace.yaml", outdir=folder)
        types.load_namespaces(str(Path(folder) / f"{NAMESPACE}.namespace.yaml"))
    return types
