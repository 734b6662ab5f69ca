"""Everything that happens in time: engine, source, loop and wires. Never imports torch."""
