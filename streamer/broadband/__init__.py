"""An amplifier's 30 kHz voltage outside the neurons, made of the spikes of a stream."""
