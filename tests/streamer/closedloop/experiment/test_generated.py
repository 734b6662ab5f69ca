"""What a population gave, as it is kept."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.streamer.closedloop.experiment.generated import counts_held


@given(st.lists(st.lists(st.integers(0, 2000), min_size=3, max_size=3), min_size=1), st.sampled_from(["i8", "f4"]))
def test_a_count_that_is_too_large_is_the_largest_and_never_a_small_one(counts, dtype):
    held = counts_held([np.array(bin_, dtype) for bin_ in counts])
    assert held.dtype == np.uint8
    assert held.tolist() == [[min(count, 255) for count in bin_] for bin_ in counts]
