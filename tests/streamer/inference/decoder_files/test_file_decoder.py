"""Models whose output says what they were given: of each window, the sum that weights of its place make."""

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.inference.decoder_files.file_decoder import FileDecoder
from spikeloop.streamer.inference.decoder_files.file_text import FileOptions
from spikeloop.streamer.inference.decoder_files.model import Tensor

UNITS = 3
FLOAT = np.dtype(np.float32)
COUNTS = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [2, 0, 1]])


class Recorder:
    """A model that keeps what it was given and gives fixed outputs, each an array or a function of what was given."""

    def __init__(self, outputs, **inputs):
        self.inputs = [
            Tensor(name, shape, FLOAT) if isinstance(shape, tuple) else shape for name, shape in inputs.items()
        ]
        self.output_names, self._outputs, self.given = list(outputs), list(outputs.values()), []

    def begin(self):
        self.given.clear()

    def run(self, given):
        self.given.append(given)
        return [output(given) if callable(output) else np.array(output) for output in self._outputs]


def opened(model, **options):
    return FileDecoder("net", model, UNITS, FileOptions(**options))


def seen(shape, **options):
    """What an input of a shape is given in the fourth bin."""
    model = Recorder({"velocity": np.zeros((1, 2))}, spikes=shape)
    decoder = opened(model, **options)
    for counts in COUNTS:
        decoder.step(counts)
    return model.given[-1]["spikes"]


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((3,), {}, COUNTS[3]),
        ((None, 3), {}, COUNTS[3:]),
        ((None, None), {}, COUNTS[3:]),
        ((1, 2, 3), {}, COUNTS[np.newaxis, 2:]),
        ((2, 1, 3), {}, COUNTS[2:, np.newaxis]),
        ((1, 3, 2), {}, COUNTS[2:].T[np.newaxis]),
        ((None, 1, 3), {}, COUNTS[np.newaxis, 3:]),
        ((None, None, 3), {"history": 2}, COUNTS[np.newaxis, 2:]),
        ((None, 3, None), {"history": 2}, COUNTS[2:].T[np.newaxis]),
        ((1, 1, 2, 3), {}, COUNTS[np.newaxis, np.newaxis, 2:]),
        ((2, 3), {}, COUNTS[2:]),
        ((None, 3), {"history": 4}, COUNTS),
        ((3, 2), {}, COUNTS[2:].T),
        ((3, 3), {"axes": "bins,units"}, COUNTS[1:]),
        ((3, 3), {"axes": "units,bins"}, COUNTS[1:].T),
        ((1, 3, 3), {"axes": "units,bins"}, COUNTS[1:].T[np.newaxis]),
        ((None, 6), {"axes": "bins,units"}, COUNTS[2:].reshape(1, 6)),
        ((None, 6), {"axes": "units,bins"}, COUNTS[2:].T.reshape(1, 6)),
        ((6,), {"axes": "units,bins"}, COUNTS[2:].T.reshape(6)),
        ((5, 4, 3), {}, np.broadcast_to(COUNTS, (5, 4, 3))),
    ],
)
def test_counts_go_in_as_the_shape_has_them_the_latest_bin_last(shape, options, expected):
    np.testing.assert_array_equal(seen(shape, **options), expected)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((None, None, 3), {}, r"input spikes float32 \(free, free, 3\) leaves open .*say so with \?history=BINS"),
        ((3, 3), {}, r"leaves open .*\?axes=bins,units or \?axes=units,bins"),
        ((1, 3, 3), {}, r"leaves open .*\?axes=bins,units or \?axes=units,bins"),
        ((None, 6), {}, r"6 numbers, 2 bins of 3 units in either order.*\?axes=bins,units or \?axes=units,bins"),
        ((1, 2, 3), {"history": 5}, r"expected history=2, .*found history=5; leave it out"),
        ((1, 3), {"history": 5}, r"expected history=1"),
        ((1, 4), {}, r"an input for the counts of 3 units.*found spikes float32 \(1, 4\); give a decoder of 3 units"),
        ((2, 1, 1, 3), {}, "an input for the counts of 3 units"),
        ((), {}, "an input for the counts of 3 units"),
        ((1, 3), {"input": "rates"}, r"expected an input rates, found spikes float32 \(1, 3\); check \?input="),
        ((1, 3), {"output": "speed"}, r"expected an output speed, found velocity float64 \(1, 2\); check \?output="),
    ],
)
def test_what_a_shape_leaves_open_is_told_with_the_option_that_settles_it(shape, options, message):
    with pytest.raises(BadInputError, match=message):
        seen(shape, **options)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ([1, 2], [1, 2]),
        ([[1, 2]], [1, 2]),
        ([[[5, 6], [1, 2]]], [1, 2]),
        ([[5, 6], [1, 2]], [1, 2]),
        ([[[9, 9, 1], [9, 9, 2]]], None),  # three rows of bins, of two that were given
        ([[[1], [2]]], [1, 2]),
    ],
)
def test_the_velocity_is_that_of_the_last_bin(output, expected):
    model = Recorder({"decoded": output}, spikes=(1, 2, 3))
    if expected is None:
        with pytest.raises(BadInputError, match=r"an output of 2 numbers a bin, .*found decoded int64 \(1, 2, 3\)"):
            opened(model)
    else:
        np.testing.assert_array_equal(opened(model).step(COUNTS[0]), expected)


def test_where_two_tensors_fit_the_message_lists_them_and_the_option():
    with pytest.raises(BadInputError, match=r"found a float32 \(1, 3\), b float32 \(1, 3\); choose with \?input=a"):
        opened(Recorder({"velocity": np.zeros((1, 2))}, a=(1, 3), b=(1, 3)))
    outputs = {"position": np.ones((1, 2)), "speed": np.zeros((1, 2)), "next_position": np.ones(2)}
    with pytest.raises(BadInputError, match=r"found position .*speed .*; choose with \?output=position"):
        opened(Recorder(outputs, a=(1, 3)))
    np.testing.assert_array_equal(opened(Recorder(outputs, a=(1, 3)), output="position").step(COUNTS[0]), [1, 1])


def test_usual_names_settle_what_shapes_leave_open():
    outputs = {"loss": np.ones(2), "velocity": np.zeros((1, 2)), "hidden_out": np.ones((1, 3))}
    model = Recorder(outputs, hidden=(1, 3), counts=(1, 3))
    decoder = opened(model)
    np.testing.assert_array_equal(decoder.step(COUNTS[0]), [0, 0])
    np.testing.assert_array_equal(model.given[-1]["counts"], COUNTS[:1])


def handed_on(*outputs, **inputs):
    """Each output that is a state's is its input plus the sum of counts; how states stand in the third bin."""

    def plus(name, times):
        return lambda given: given[name] + times * given["spikes"].sum()

    states = {name: plus(source, times) for name, source, times in outputs}
    return Recorder({"velocity": np.zeros((1, 2)), **states}, spikes=(None, 3), **inputs)


@pytest.mark.parametrize(
    ("first", "second", "options"),
    [
        ("h_next", "next_c", {}),
        ("c_out", "h_out", {}),  # by names, against their order
        ("y", "z", {}),  # by their order
        ("z", "y", {"states": {"h": "z", "c": "y"}}),
    ],
)
def test_a_state_goes_on_with_the_output_of_its_name_or_place(first, second, options):
    to_h = first if not first.startswith("c") else second
    names = {first: "h" if to_h == first else "c", second: "c" if to_h == first else "h"}
    model = handed_on(*((name, source, 1 + (source == "c")) for name, source in names.items()),
                      h=(1, None, 4), c=(1, None, 4))  # fmt: skip
    decoder = opened(model, **options)
    assert decoder.states == {"h": (1, 1, 4), "c": (1, 1, 4)}
    for counts in COUNTS:
        decoder.step(counts)
    np.testing.assert_array_equal(model.given[-1]["h"], np.full((1, 1, 4), COUNTS[:3].sum()))
    np.testing.assert_array_equal(model.given[-1]["c"], np.full((1, 1, 4), 2 * COUNTS[:3].sum()))
    decoder.fit(COUNTS, np.zeros((4, 2)))
    decoder.step(COUNTS[0])
    assert not model.given[-1]["h"].any()


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (handed_on(("a", "h", 1), ("b", "h", 1), h=(1, 4)), {},
         r"the state h float32 \(1, 4\) as many outputs of its shape as states, found a .*b .*with \?states=h:a"),
        (handed_on(("a", "h", 1), h=(1, 4)), {"states": {"h": "b"}}, "h .* an output b of its shape, found a"),
        (handed_on(("a", "h", 1), h=(1, None)), {}, r"states of fixed sizes, .*found h float32 \(1, free\)"),
        (handed_on(("a", "h", 1), h=(None, None, 4)), {}, "states of fixed sizes"),
        (handed_on(("a", "h", 1), h=(1, 4)), {"states": {"H": "a"}}, "states of H, found h .*check .states="),
        (handed_on(("a", "h", 1), h=(10**5, 10**5)), {}, r"at most 16777216 numbers, found h .*\(100000, 100000\)"),
    ],
)  # fmt: skip
def test_a_state_that_goes_on_with_nothing_sure_is_told(model, options, message):
    with pytest.raises(BadInputError, match=message):
        opened(model, **options)


def test_a_batch_of_states_gets_the_same_counts_in_every_row():
    states = {"velocity": np.zeros((2, 1, 2)), "next_h": np.zeros((1, 2, 4))}
    model = Recorder(states, spikes=(2, 1, 3), h=(1, 2, 4))
    opened(model).step(COUNTS[1])
    np.testing.assert_array_equal(model.given[-1]["spikes"], [[COUNTS[1]], [COUNTS[1]]])


def test_a_velocity_of_another_shape_than_before_is_stopped():
    model = Recorder({"velocity": lambda given: np.zeros((1 + int(given["spikes"].sum() > 9), 2))}, spikes=(2, 3))
    decoder = opened(model)
    decoder.step(COUNTS[0])
    with pytest.raises(FailureError, match=r"expected velocity of shape \(1, 2\), the decoder gave \(2, 2\)"):
        decoder.step(COUNTS[1])
