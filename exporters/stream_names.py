"""Names and types of the LSL streams of a source, live and in files."""

__all__ = [
    "BROADBAND",
    "CONDITION",
    "CURSOR",
    "CURSOR_TYPE",
    "EVENTS",
    "FLUORESCENCE",
    "INTENTION",
    "MARKERS",
    "MONITOR",
    "MONITOR_TYPE",
    "SPIKES",
    "STREAM_TYPES",
    "SUFFIXES",
]

SPIKES, FLUORESCENCE = "Spikes", "Fluorescence"  # the types of a stream of counts, and of one of imaging
CURSOR_TYPE, MONITOR_TYPE = "Cursor", "Monitor"  # of NAME-Cursor and NAME-Monitor
EVENTS, CONDITION, MARKERS, BROADBAND = "-Events", "-Condition", "-Markers", "-Broadband"  # after the counts' name
INTENTION, CURSOR, MONITOR = "-Intention", "-Cursor", "-Monitor"  # of a closed loop, and of a monitor
STREAM_TYPES = {EVENTS: "SpikeEvents", CONDITION: "Condition", MARKERS: "Markers", BROADBAND: "Broadband"}
SUFFIXES = (*STREAM_TYPES, INTENTION, CURSOR, MONITOR)
