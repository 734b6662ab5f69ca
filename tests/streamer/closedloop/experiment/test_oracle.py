import numpy as np

from spikeloop.streamer.closedloop.experiment.oracle import OracleDecoder, RememberedUser
from spikeloop.streamer.closedloop.experiment.plan import Plan
from spikeloop.streamer.closedloop.experiment.session import run_session
from spikeloop.streamer.closedloop.experiment.users import ScriptedUser
from tests.support.loop_parts import Tuned, simulated, view


def test_it_gives_what_the_user_just_intended():
    user = RememberedUser(ScriptedUser(np.array([[1.0, 2.0], [3.0, 4.0]])))
    decoder = OracleDecoder(user)
    np.testing.assert_array_equal(decoder.step(np.zeros(5)), [0, 0])
    for expected in ([1, 2], [3, 4], [0, 0]):
        np.testing.assert_array_equal(user.intend(view()), expected)
        np.testing.assert_array_equal(decoder.step(np.zeros(5)), expected)
    np.testing.assert_array_equal(user.follow(np.array([7.0, 8.0])), [7, 8])
    np.testing.assert_array_equal(decoder.step(np.zeros(5)), [7, 8])


def test_the_cursor_does_what_is_intended_and_every_target_is_acquired():
    user = RememberedUser(simulated())
    record = run_session(Plan(trials=8, calibration_s=10), Tuned(), user, OracleDecoder(user))
    block = record.blocks[-1]
    reaching = np.isfinite(block.target).all(axis=1) & np.isfinite(np.roll(block.target, 1, axis=0)).all(axis=1)
    np.testing.assert_array_equal(block.velocity[reaching], block.intended_velocity[reaching])
    assert {each.outcome for each in record.trials} == {"success"}
    assert record.offline is None  # it can't be asked again about the calibration
