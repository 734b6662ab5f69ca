import pytest

from spikeloop.streamer.bridges.synapse.report import SynapseReport, synapse_words


@pytest.mark.parametrize(("pulses", "words"), [(1, "1 pulse, 0 refused"), (2, "2 pulses, 0 refused")])
def test_one_pulse_is_singular(pulses, words):
    report = SynapseReport("127.0.0.1:6471", True, None, None, 0, 0, 0, pulses, 0)
    assert synapse_words(report) == (f"Synapse 127.0.0.1:6471: 0 samples, 0 left out; 0 windows of spikes; {words}")
