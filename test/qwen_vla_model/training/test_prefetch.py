"""Batches that are made ahead come in order, and so do their errors."""

import threading

import pytest

from qwen_vla_model.training.prefetch import prefetched


@pytest.mark.parametrize("workers", [1, 3])
def test_when_there_are_several_workers_expect_every_result_once_and_in_order(workers):
    calls = [(i, 2 * i) for i in range(20)]
    assert list(prefetched(lambda a, b: (a, b), calls, workers)) == calls


def test_when_two_workers_are_there_expect_two_calls_at_a_time():
    together = threading.Barrier(2, timeout=10)
    assert list(prefetched(lambda: together.wait() < 2, [()] * 4, 2)) == [True] * 4


def test_when_a_call_fails_expect_its_error_in_its_turn():
    results = prefetched(lambda i: 1 // i, [(1,), (1,), (0,)], 2)
    assert next(results) == next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
