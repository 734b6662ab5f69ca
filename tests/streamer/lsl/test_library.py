"""Names of streams that are free, or are not."""

import pylsl
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.lsl.library import check_names_are_free


def test_a_name_that_is_on_the_network_or_can_be_none_is_refused(stream_name):
    info = pylsl.StreamInfo(f"{stream_name}'s", "X", 1, 0, pylsl.cf_int8, stream_name)
    outlet = pylsl.StreamOutlet(info)
    with pytest.raises(BadInputError, match="already on the network .*--name"):
        check_names_are_free("other", f"{stream_name}'s")
    del outlet
    for name in ("", " ", "a" * 300, "'\""):
        with pytest.raises(BadInputError, match="--name: expected a name of 1 to 200"):
            check_names_are_free("other", name)
