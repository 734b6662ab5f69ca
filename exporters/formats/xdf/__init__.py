"""XDF, what LabRecorder saves."""
