"""What tests of the game share: a model, and what decoders learn from it."""

import pytest

import spikeloop
from spikeloop.exporters.bundle import Bundle
from spikeloop.streamer.closedloop.experiment.brain import VelocityEncoding
from spikeloop.streamer.dashboard.play.calibration import Calibration, imagined
from tests.support.played import PlayedLoop


@pytest.fixture(scope="package")
def bundle() -> Bundle:
    return spikeloop.load_bundle("m1-sim")


@pytest.fixture(scope="package")
def calibration(bundle) -> Calibration:
    return imagined(bundle, VelocityEncoding(bundle))


@pytest.fixture
async def loop(bundle, calibration, tmp_path):
    loop = PlayedLoop(bundle, tmp_path, calibration)
    yield loop
    loop.play.close()
