"""The page that is served is the one that its sources build; here without node, by their hash."""

import hashlib
import json
import re
from pathlib import Path

from qwen_vla_ros.page.files import read_files
from qwen_vla_ros.page.requests import REQUESTS

ROOT = Path(__file__).parents[3]
WEB, BUNDLE = ROOT / "web", ROOT / "resource" / "web"


def test_when_the_sources_are_hashed_expect_what_the_bundle_was_built_from():
    names = [f"src/{path.name}" for path in (WEB / "src").iterdir()]
    names += ["build.mjs", "index.html", "icon.svg", "package.json", "package-lock.json"]
    hashed = hashlib.sha256()
    for name in sorted(names):
        hashed.update(f"{name}\n".encode() + (WEB / name).read_bytes())
    assert (BUNDLE / "sources.sha256").read_text().strip() == hashed.hexdigest(), "run make web"


def test_when_the_page_asks_for_its_files_expect_them_and_nothing_from_elsewhere():
    files = read_files(BUNDLE)
    html = files["/"].data.decode()
    for name in ("page.js", "page.css", "icon.svg"):
        assert f'"{name}"' in html and f"/{name}" in files
    assert "//" not in html.replace("<!doctype", "")
    assert b"MIT" in files["/licences.txt"].data


def test_when_an_episode_ends_on_the_page_expect_a_judgement_and_every_button_to_be_allowed():
    buttons = re.findall(r'data-request="([^"]+)"', (WEB / "index.html").read_text())
    assert set(buttons) <= set(REQUESTS)
    episode = {name for name in buttons if name.startswith("record/")}
    assert episode == {f"record/{word}" for word in ("start", "success", "failure", "discard")}


def test_when_packages_are_locked_expect_no_registrys_address():
    locked = json.loads((WEB / "package-lock.json").read_text())
    assert not [name for name, entry in locked["packages"].items() if "resolved" in entry]
    wanted = json.loads((WEB / "package.json").read_text())
    versions = {**wanted["dependencies"], **wanted["devDependencies"]}
    for name, version in versions.items():
        assert locked["packages"][f"node_modules/{name}"]["version"] == version
