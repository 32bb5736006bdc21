"""Checkpoints by name: from a hub on this machine, from its cache, and what is never fetched."""

import hashlib
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import CheckpointError
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory
from qwen_vla_model.hub import find_checkpoint
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_model.trained_robots import load_action_space, load_instructions

NAME, COMMIT = "lab/widowx", "0123456789abcdef0123456789abcdef01234567"
WIDOWX = load_embodiment(embodiments_directory() / "widowx.yaml")


class Hub:
    """As much of the hub's HTTP interface as a download uses, for one repository."""

    def __init__(self, files: dict[str, bytes]):
        self.files, self.fetched = files, []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                hub.answer(self)

            def do_GET(self):
                hub.answer(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path, headers = request.path.split("?")[0], {"X-Repo-Commit": COMMIT}
        if path == f"/api/models/{NAME}/revision/main":
            return self._send(request, json.dumps({"id": NAME, "sha": COMMIT}).encode(), headers)
        if path == f"/api/models/{NAME}/tree/{COMMIT}":
            tree = [
                {"type": "file", "path": name, "size": len(body), "oid": _oid(body)}
                for name, body in self.files.items()
            ]
            return self._send(request, json.dumps(tree).encode(), headers)
        name = path.removeprefix(f"/{NAME}/resolve/{COMMIT}/")
        if name not in self.files:
            return self._send(request, b"", {"X-Error-Code": "RepoNotFound"}, status=404)
        if request.command == "GET":
            self.fetched.append(name)
        return self._send(request, self.files[name], headers | {"ETag": _oid(self.files[name])})

    def _send(self, request, body: bytes, headers: dict, status: int = 200) -> None:
        request.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            request.send_header(key, value)
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)

    def close(self) -> None:
        """Stop answering, as a hub that is out of reach."""
        self._server.shutdown()
        self._server.server_close()


def _oid(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with the shipped checkpoint and a pickle beside it; nothing is cached yet."""
    files = {path.name: path.read_bytes() for path in SHIPPED_CHECKPOINT.iterdir()}
    hub = Hub(files | {"pytorch_model.bin": b"a pickle", "model.py": b"code", "notes.md": b""})
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    resolve = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", resolve)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield hub
    hub.close()


def test_when_a_name_is_given_expect_its_policy_and_no_pickle_or_code_fetched(hub):
    policy = QwenVlaPolicy.load(NAME, WIDOWX)
    assert np.isfinite(policy.infer(empty_scene(WIDOWX))).all()
    assert "model.safetensors" in hub.fetched
    assert all(name.endswith((".json", ".safetensors")) for name in hub.fetched)
    assert not list(Path(constants.HF_HUB_CACHE).rglob("*.bin"))


def test_when_the_robot_is_another_expect_refusal_before_the_weights_are_fetched(hub):
    with pytest.raises(
        CheckpointError, match="not trained for stranger, only for aloha, mobile_base, widowx"
    ):
        QwenVlaPolicy.load(NAME, WIDOWX.model_copy(update={"name": "stranger"}))
    assert "config.json" in hub.fetched and "model.safetensors" not in hub.fetched


def test_when_the_hub_goes_away_expect_the_cached_checkpoint(hub):
    find_checkpoint(NAME, weights=True)
    hub.close()
    policy = QwenVlaPolicy.load(NAME, WIDOWX)
    assert np.isfinite(policy.infer(empty_scene(WIDOWX))).all()


def test_when_the_hub_goes_away_before_the_weights_came_expect_an_error_that_names_it(hub):
    find_checkpoint(NAME)
    hub.close()
    with pytest.raises(CheckpointError, match="model.safetensors"):
        QwenVlaPolicy.load(NAME, WIDOWX)


def test_when_offline_and_nothing_is_cached_expect_the_name_and_the_reason(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="'lab/widowx' is no folder here.*HF_HUB_OFFLINE"):
        find_checkpoint(NAME)
    assert not hub.fetched


def test_when_offline_and_cached_expect_the_folder(hub, monkeypatch):
    online = find_checkpoint(NAME, weights=True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert find_checkpoint(NAME, weights=True) == online


def test_when_the_hub_does_not_know_the_name_expect_it_said(hub):
    with pytest.raises(CheckpointError, match="'lab/other' is no folder here.*404"):
        find_checkpoint("lab/other")


@pytest.mark.parametrize("name", ["", "/nowhere", "nowhere", "a/b/c", "../x/y", "lab/wid owx"])
def test_when_it_is_neither_a_folder_nor_a_name_expect_that_said(name):
    with pytest.raises(CheckpointError, match=f"'{name}' is neither a folder nor a name"):
        find_checkpoint(name)


def test_when_a_folder_has_the_name_expect_the_folder(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(SHIPPED_CHECKPOINT, NAME)
    assert find_checkpoint(NAME, weights=True) == Path(NAME) and not hub.fetched


def test_when_nothing_is_named_expect_the_shipped_checkpoint():
    assert find_checkpoint() == SHIPPED_CHECKPOINT


def test_when_a_folder_is_no_checkpoint_expect_what_it_lacks_and_where_runs_keep_theirs(tmp_path):
    with pytest.raises(CheckpointError) as refused:
        find_checkpoint(tmp_path, weights=True)
    assert str(refused.value) == (
        f"{tmp_path} is no checkpoint: it has no config.json, no embodiments.json, "
        "no tokenizer.json, no model.safetensors; a training run keeps its own in checkpoint/"
    )
    run = tmp_path / "run"
    shutil.copytree(SHIPPED_CHECKPOINT, run / "checkpoint")
    with pytest.raises(CheckpointError, match=f"no tokenizer.json; use {run / 'checkpoint'}"):
        find_checkpoint(run)
    (run / "checkpoint" / "model.safetensors").unlink()
    assert find_checkpoint(run / "checkpoint") == run / "checkpoint"
    with pytest.raises(CheckpointError, match="it has no model.safetensors; "):
        find_checkpoint(run / "checkpoint", weights=True)


@pytest.mark.parametrize("read", [load_action_space, load_instructions])
def test_when_a_part_of_a_checkpoint_is_read_by_its_name_on_the_hub_expect_no_weights_fetched(
    hub, read
):
    assert read(NAME, WIDOWX) == read(SHIPPED_CHECKPOINT, WIDOWX)
    assert hub.fetched and "model.safetensors" not in hub.fetched
    with pytest.raises(CheckpointError, match="is no checkpoint: it has no config.json"):
        read(Path(__file__).parent, WIDOWX)
