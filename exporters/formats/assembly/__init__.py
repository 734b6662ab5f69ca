"""From what a reader found to the recording that was chosen."""
