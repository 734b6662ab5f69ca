import threading

from hypothesis import given
from hypothesis import strategies as st

from spikeloop.streamer.mqtt.outbox import Outbox, Outgoing


def message(number: int, size: int = 1) -> Outgoing:
    return Outgoing(str(number), b"x" * size)


@given(st.lists(st.sampled_from(["put", "take", "put back"])), st.integers(1, 5))
def test_what_is_taken_ascends_and_nothing_is_lost_uncounted(actions, most):
    outbox = Outbox(most, 10**6)
    put, taken, held = 0, [], None
    for action in actions:
        if action == "put":
            outbox.put(message(put))
            put += 1
        elif action == "take":
            held = outbox.next()
            taken += [held] if held else []
        elif held is not None:
            outbox.put_back(taken.pop())
            held = None
        assert len(outbox) <= most
        assert len(taken) + len(outbox) + outbox.dropped == put
    numbers = [int(each.topic) for each in taken]
    assert numbers == sorted(set(numbers))


def test_the_oldest_gives_way_also_to_bytes():
    outbox = Outbox(100, 10)
    for number in range(5):
        outbox.put(message(number, size=4))
    assert [outbox.next(), outbox.next(), outbox.next()] == [message(3, 4), message(4, 4), None]
    assert outbox.dropped == 3


def test_what_will_never_go_out_counts_as_dropped():
    outbox = Outbox(100, 100)
    outbox.put(message(0))
    outbox.put(message(1))
    outbox.drop_all()
    assert outbox.next() is None
    assert outbox.dropped == 2


def test_many_threads_put_and_one_takes():
    outbox = Outbox(50, 10**6)
    threads = [threading.Thread(target=lambda: [outbox.put(message(i)) for i in range(5000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    taken = 0
    while any(thread.is_alive() for thread in threads) or len(outbox):
        taken += outbox.next() is not None
    assert taken + outbox.dropped == 20_000
