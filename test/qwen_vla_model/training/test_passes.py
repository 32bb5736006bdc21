"""The batches of a step are shared out so that no core waits for long."""

from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_model.training.passes import balanced


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=16), st.integers(1, 8))
def test_when_batches_are_shared_out_expect_each_once_and_no_share_larger_by_more_than_one_batch(
    sizes, shares
):
    taken = balanced(sizes, shares)
    assert sorted(n for share in taken for n in share) == list(range(len(sizes)))
    totals = [sum(sizes[n] for n in share) for share in taken]
    assert max(totals) - min(totals) <= max(sizes)
