"""`qwen-vla serve` as a child of the demo."""

import pytest

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_eval.server_process import server_process
from robots import WIDOWX


def test_when_the_server_cannot_serve_expect_the_end_of_its_log(tmp_path):
    log = tmp_path / "out" / "server.log"
    with (
        pytest.raises(QwenVlaError, match=r"server ended:(.|\n)*no checkpoint"),
        server_process(tmp_path, [WIDOWX], log),
    ):
        raise AssertionError("it serves")
    assert "Traceback" not in log.read_text()
