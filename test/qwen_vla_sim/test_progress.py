"""A bar whose output goes into a file."""

import io
import sys

import pytest

from qwen_vla_sim.progress import progress_bar


@pytest.mark.parametrize("total", [200, None])
def test_when_there_is_no_terminal_expect_a_few_lines_and_the_newest_words(monkeypatch, total):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with progress_bar(total, "episode", title="directly") as bar:
        for done in range(1, 201):
            bar.set_postfix_str(f"success {done}/{done}")
            bar.update()
    text = log.getvalue()
    assert "\r" not in text
    lines = text.splitlines()
    assert len(lines) <= 3, text
    assert "200" in lines[-1] and "success 200/200" in lines[-1]
