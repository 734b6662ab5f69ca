"""Which acts on a stream a recording lacks, by their running numbers."""

import json

import pytest

from spikeloop.streamer.capture.acts import ActsSeen, missing_acts, parse_act


def marker(number: int | None, event: str = "gain") -> list[str]:
    return [json.dumps({"event": event, "stamp_s": 1.5} | ({} if number is None else {"act": number}))]


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([1, 2, 3], []),
        ([2], ["act 1 on the stream came before the recording"]),
        ([4, 5], ["acts 1 to 3 on the stream came before the recording"]),
        ([1, 3], ["act 2 on the stream is missing"]),
        ([1, 5, 7], ["acts 2 to 4 on the stream are missing", "act 6 on the stream is missing"]),
        ([None, None], []),
        ([], []),
    ],
)
def test_missing_acts_are_those_whose_numbers_are_not_there_in_one_piece_or_in_several(numbers, said):
    acts = [parse_act(marker(number)[0]) for number in numbers]
    assert [str(missing) for missing in missing_acts(act for act in acts if act is not None)] == said
    seen, news = ActsSeen(), []
    for number in numbers:
        seen.add([marker(number)])
        news += seen.news()
    assert news == [f"says that {text}" for text in said]
    assert seen.news() == []


@pytest.mark.parametrize("text", ["", "{", "[]", '"gain"', '{"event": "trial", "stamp_s": 1}', '{"event": "gain"}'])
def test_other_texts_tell_of_no_act(text):
    assert parse_act(text) is None


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"event": "gain", "stamp_s": 1, "more": ' + "[" * 5000 + "]" * 5000 + "}"]
)
def test_brackets_without_end_are_no_act(text):
    assert parse_act(text) is None
