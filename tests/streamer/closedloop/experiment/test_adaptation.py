import cmath
import math
from dataclasses import replace

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.experiment.adaptation import (
    LEAST_EFFECT,
    MOST_EFFECT,
    PUBLISHED,
    AdaptingUser,
    Learning,
    learning_user,
)
from spikeloop.streamer.closedloop.experiment.tasks import Target
from spikeloop.streamer.closedloop.experiment.user_spec import parse_user
from spikeloop.streamer.closedloop.experiment.users import SimulatedUser, UserModel
from tests.support.compared import setup_of, tiny
from tests.support.loop_parts import BIN_S, view

NOISELESS = replace(UserModel(), noise_cm_s=0.0)
TARGETS = [Target((8 * math.cos(angle), 8 * math.sin(angle)), 3.0) for angle in np.arange(8) * math.pi / 4]


def user(learning, model=NOISELESS):
    return AdaptingUser(learning_user(model, learning), 24.0, BIN_S, random_stream(0, Purpose.USER))


def reaches(user, effect=1 + 0j, trials=8, bins=75):
    """Trials with a cursor that does as the user's forward model says, turned and scaled; where each was nearest."""
    keeps, nearest = math.exp(-BIN_S / user.model.adapted_smoothing_s), []
    for trial in range(trials):
        position = velocity = 0j
        for _ in range(15):  # a pause, in which the cursor is held
            user.intend(view())
        target = TARGETS[trial % 8]
        distances = []
        for _ in range(bins):
            pushed = user.intend(view((position.real, position.imag), (velocity.real, velocity.imag), target))
            velocity = keeps * velocity + (1 - keeps) * effect * complex(*pushed)
            position += velocity * BIN_S
            distances.append(abs(complex(*target.place_cm) - position))
        nearest.append(min(distances))
    user.intend(view())
    return np.array(nearest)


def test_without_rates_it_is_the_simulated_user():
    plain = SimulatedUser(UserModel(), 24.0, BIN_S, random_stream(0, Purpose.USER))
    np.testing.assert_allclose(reaches(user(Learning(), UserModel())), reaches(plain), atol=1e-9)


@pytest.mark.parametrize("effect", [cmath.rect(1, math.radians(40)), cmath.rect(1, math.radians(-70)), 1.8, 0.6,
                                    cmath.rect(1.4, 0.5)])  # fmt: skip
def test_a_user_who_forgets_nothing_learns_what_the_decoder_makes_of_a_push(effect):
    adapting = user(Learning(slow_rate=0.3))
    reaches(adapting, effect, trials=30)
    assert adapting.effect == pytest.approx(effect, abs=0.05)


def test_what_is_learned_brings_the_cursor_to_the_target_again():
    turn = cmath.rect(1, math.radians(75))
    fixed = reaches(user(Learning()), turn, 24)
    adapting = reaches(user(Learning(slow_rate=0.2)), turn, 24)
    assert fixed[-8:].min() > 2.0
    assert adapting[-8:].max() < 0.5
    np.testing.assert_allclose(adapting[0], fixed[0], atol=1e-9)


def test_the_published_rates_leave_a_quarter_of_a_rotation_and_learn_some_of_it_at_once():
    """In the long run x = (B_f / (1 - A_f) + B_s / (1 - A_s)) (turn - x)."""
    adapting, turn = user(PUBLISHED), cmath.rect(1, math.radians(20))
    gain = 0.21 / (1 - 0.59) + 0.02 / (1 - 0.992)
    reaches(adapting, turn, trials=1)
    first = math.degrees(cmath.phase(adapting.effect))
    reaches(adapting, turn, trials=300, bins=40)
    assert first == pytest.approx(0.23 * 20, abs=1.0)
    assert math.degrees(cmath.phase(adapting.effect)) == pytest.approx(20 * gain / (1 + gain), abs=1.0)


def test_what_was_learned_is_seen_as_an_after_effect_when_the_turn_ends():
    adapting = user(Learning(slow_rate=0.2))
    reaches(adapting, cmath.rect(1, math.radians(60)), 24)
    assert cmath.phase(adapting.effect) > 0.9
    after = reaches(adapting, 1 + 0j, 24, bins=45)
    assert after[0] > 3 * after[-1]


def test_no_factor_beyond_reason_is_believed_in():
    for effect, most in ((10.0, MOST_EFFECT), (0.1, LEAST_EFFECT)):
        adapting = user(Learning(slow_rate=0.5))
        reaches(adapting, effect, trials=20)
        assert abs(adapting.effect) == pytest.approx(most)


def test_users_who_adapt_are_named_with_their_rate(tmp_path):
    assert parse_user("adapting").learning == PUBLISHED
    assert parse_user("adapting:0.1").learning == Learning(slow_rate=0.1)
    assert parse_user("simulated").learning is None
    setup = setup_of(tiny(tmp_path / "tiny"), user="adapting:0.25")
    assert (setup.user.kind, setup.user_model.slow_rate, setup.user_model.slow_retention) == ("simulated", 0.25, 1.0)


@pytest.mark.parametrize("text", ["adapting:", "adapting:fast", "adapting:-0.1", "adapting:2", "adapting:nan"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(BadInputError, match=r"adapting:RATE of a trial \(0 to 1\)"):
        parse_user(text)
