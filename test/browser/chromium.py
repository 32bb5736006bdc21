"""A real browser without a screen, driven through Chromium's DevTools protocol."""

import base64
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from websockets.sync.client import connect

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
START_S = 60.0
ANSWER_S = 60.0
"""Drawing without a GPU, beside a robot and a model on two cores, takes its time."""


class Chromium:
    """One window; a context manager.

    Attributes:
        errors: what the page's scripts threw, and errors on its console.
    """

    def __init__(self, folder: Path) -> None:
        """Start it; ``folder`` holds its profile."""
        program = shutil.which("chromium") or shutil.which("google-chrome")
        assert program, "no chromium here: apt-get install chromium"
        self.errors: list[str] = []
        self._count = 0
        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        port_file = folder / "DevToolsActivePort"
        _wait(lambda: port_file.is_file() and port_file.read_text().count("\n"), START_S)
        port = port_file.read_text().splitlines()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
            (target,) = (t for t in json.load(answer) if t["type"] == "page")
        self._socket = connect(target["webSocketDebuggerUrl"], max_size=None, compression=None)
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def call(self, method: str, **parameters: object) -> dict:
        """One command of the protocol, and its result."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=ANSWER_S))
            if message.get("id") == self._count:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._note(message)

    def _note(self, event: dict) -> None:
        if event.get("method") == "Runtime.exceptionThrown":
            details = event["params"]["exceptionDetails"]
            thrown = details.get("exception", {}).get("description", "")
            self.errors.append(f"{details['text']} {thrown}")
        entry = event["params"].get("entry", {})
        if event["method"] == "Log.entryAdded" and entry["level"] == "error":
            self.errors.append(entry["text"])

    def open(self, url: str) -> None:
        """Go to a page."""
        self.call("Page.navigate", url=url)

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """Size of the window in CSS pixels; as a phone, with fingers."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone, maxTouchPoints=3)

    def value(self, expression: str) -> object:
        """The value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def text(self, element: str) -> str:
        """The text of an element, by its id."""
        return str(self.value(f"document.getElementById('{element}')?.textContent"))

    def expect(self, expression: str, timeout_s: float = 30.0) -> None:
        """Wait until an expression is true, and what it asks for is there."""
        tried = f"(() => {{ try {{ return {expression} }} catch {{ return false }} }})()"
        found = _wait(lambda: self.value(tried), timeout_s)
        assert found, f"not within {timeout_s:g} s: {expression}; {self.errors}"

    def press(self, selector: str, held_s: float = 0.05) -> None:
        """Press the mouse on an element and let go after a while."""
        x, y = self.middle(selector)
        for kind in ("mouseMoved", "mousePressed"):
            self.mouse(kind, x, y)
        _wait(lambda: False, held_s)
        self.mouse("mouseReleased", x, y)

    def middle(self, selector: str) -> tuple[float, float]:
        """Where an element is, in the window."""
        script = (
            f"(() => {{ const e = document.querySelector({selector!r});"
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        x, y = self.value(script)
        return x, y

    def mouse(self, kind: str, x: float, y: float) -> None:
        """One event of the mouse."""
        button = "none" if kind == "mouseMoved" else "left"
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1)

    def key(self, key: str, down: bool) -> None:
        """A key goes down or up."""
        text = {"text": key} if down and len(key) == 1 else {}
        code = "Space" if key == " " else key
        kind = "keyDown" if down else "keyUp"
        self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code, **text)

    def screenshot(self, path: Path, **options: object) -> None:
        """What is seen, as PNG; ``format="jpeg", quality=80`` for JPEG."""
        data = self.call("Page.captureScreenshot", **options)["data"]
        path.write_bytes(base64.b64decode(data))


def _wait(condition, timeout_s: float) -> object:
    deadline_s = time.monotonic() + timeout_s
    while not (found := condition()) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return found
