import os
from typing import get_args

import pytest

from spikeloop.models.errors import FailureError
from spikeloop.streamer.devices.broker import BrokerKind, local_broker


@pytest.fixture(scope="module", params=get_args(BrokerKind)[1:])
def broker(request):
    """The URL of a real broker, of either kind; skipped where it is not installed, but never in CI."""
    opened = local_broker(request.param)
    try:
        url = opened.__enter__()
    except FailureError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{request.param}: {error}")
    yield url
    opened.__exit__(None, None, None)
