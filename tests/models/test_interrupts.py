import asyncio
import os
import signal
import threading

import pytest

from spikeloop.models.interrupts import ENDING, hold_interrupts, interrupt_at_any_end


@pytest.fixture(autouse=True)
def _as_started_from_a_terminal():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_an_interrupt_waits_until_the_block_is_done():
    done = []
    with pytest.raises(KeyboardInterrupt), hold_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("all of it")
    assert done == ["all of it"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_errors_pass_and_handlers_return():
    with pytest.raises(ImportError), hold_interrupts():
        raise ImportError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_outside_the_main_thread_it_does_nothing():
    outcome = []

    def run():
        with hold_interrupts():
            outcome.append("ran")

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert outcome == ["ran"]


@pytest.mark.parametrize("number", ENDING)
def test_a_polite_kill_is_an_interrupt(number):
    interrupt_at_any_end()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", ENDING)
def test_in_asyncio_a_polite_kill_waits_until_a_callback_is_done(number):
    interrupt_at_any_end()
    done = []

    async def step_by_step():
        os.kill(os.getpid(), number)
        done.append("this step")
        await asyncio.sleep(0)
        done.append("the next step")

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(step_by_step())
    assert done == ["this step"]


@pytest.mark.parametrize("number", ENDING)
def test_a_polite_kill_interrupts_where_ctrl_c_is_ignored(number):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupt_at_any_end()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_that_nohup_ignores_stays_ignored(number):
    signal.signal(number, signal.SIG_IGN)
    interrupt_at_any_end()
    os.kill(os.getpid(), number)
    assert signal.getsignal(number) is signal.SIG_IGN
