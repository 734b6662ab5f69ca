from spikeloop.streamer.lsl.notices import reset_notice


def test_clock_resets_that_come_again_and_again_are_told_as_such():
    once, twice, often = (reset_notice(resets) for resets in (1, 2, 3))
    assert once.startswith("clock reset: its stamps jumped once for good")
    assert twice.startswith("clock reset: its stamps jumped 2 times")
    assert often.startswith("stamps jump again and again: 3 clock resets so far")
    assert "let its sender stamp with local_clock(), or push without stamps" in often
