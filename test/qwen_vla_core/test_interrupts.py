"""Signals that wait until compiled code is through."""

import os
import signal
import threading

import pytest

from qwen_vla_core.interrupts import interrupts_held_back

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@pytest.fixture(autouse=True)
def handlers():
    """Both signals raise, as in a node; what pytest had is put back."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@SIGNALS
def test_when_a_signal_arrives_inside_expect_it_after_all_was_done(number):
    done = []
    with pytest.raises(KeyboardInterrupt):
        with interrupts_held_back():
            os.kill(os.getpid(), number)
            done.append("the rest")
    assert done == ["the rest"]


@SIGNALS
def test_when_it_was_delivered_expect_the_next_one_to_be_handled_at_once(number):
    with interrupts_held_back():
        pass
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


def test_when_several_arrive_inside_expect_one_interruption():
    with pytest.raises(KeyboardInterrupt):
        with interrupts_held_back():
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGINT)


def test_when_interrupts_are_ignored_expect_them_ignored_still():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    outlived = []
    for _ in range(2):
        with interrupts_held_back():
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        outlived.append(signal.getsignal(signal.SIGINT))
    assert outlived == [signal.SIG_IGN] * 2


def test_when_something_fails_inside_expect_its_error_and_the_handlers_back():
    with pytest.raises(ValueError, match="own"):
        with interrupts_held_back():
            raise ValueError("own")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_when_used_in_another_thread_expect_it_to_change_nothing():
    handlers = []

    def work():
        with interrupts_held_back():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]
