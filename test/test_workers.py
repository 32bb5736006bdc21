"""Two workers: each test's ROS domain is its own, files stay whole, and what is alone is alone."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL_TREE = """
import json, os, time
from pathlib import Path
import pytest

FOLDER = Path(__file__).parent

def wait_for(name):
    (FOLDER / Path(__file__).stem).touch()
    end_s = time.monotonic() + 30.0
    while not (FOLDER / name).exists():
        assert time.monotonic() < end_s, "the other worker never came"
        time.sleep(0.01)

@pytest.fixture(autouse=True)
def record(request, ros_domain):
    start_s = time.monotonic()
    yield
    record = dict(name=request.node.originalname, file=Path(__file__).stem, domain=ros_domain,
                  worker=os.environ["PYTEST_XDIST_WORKER"], start_s=start_s,
                  end_s=time.monotonic())
    (FOLDER / f"{record['file']}_{record['name']}.json").write_text(json.dumps(record))
"""
MEETS = """
def test_meets_the_other_file():
    wait_for("{other}")
"""
LONG = """
def test_long():
    time.sleep(1.0)
"""
ALONE = """
@pytest.mark.alone
def test_alone():
    time.sleep(0.2)
"""


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """What each test of a small tree with two files wrote about itself."""
    folder = tmp_path_factory.mktemp("tree")
    for name in (
        "conftest.py",
        "quick_selection.py",
        "workers.py",
    ):  # copies, and so a lock of their own
        shutil.copy(ROOT / "test" / name, folder)
    for name, other, rest in (("test_a", "test_b", ALONE), ("test_b", "test_a", LONG + ALONE)):
        (folder / f"{name}.py").write_text(SMALL_TREE + MEETS.format(other=other) + rest)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml")]
    command += ["-o", f"pythonpath={folder}", "-p", "no:cacheprovider"]
    command += ["-n", "2", "--dist", "loadgroup", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert "5 passed" in ended.stdout.splitlines()[-1], ended.stdout
    return [json.loads(path.read_text()) for path in folder.glob("*.json")]


def overlapping(record, records):
    return [
        other
        for other in records
        if other is not record
        and other["start_s"] < record["end_s"]
        and record["start_s"] < other["end_s"]
    ]


def test_when_two_tests_run_at_the_same_time_expect_a_domain_for_each(records):
    meeting = [record for record in records if record["name"].startswith("test_meets")]
    assert meeting[0] in overlapping(meeting[1], records)
    assert meeting[0]["domain"] != meeting[1]["domain"]
    assert all(1 <= record["domain"] <= 100 for record in records)


def test_when_a_file_has_several_tests_expect_one_worker_to_run_them(records):
    workers = {(r["file"], r["worker"]) for r in records if r["name"] != "test_alone"}
    assert len(workers) == 2


def test_when_a_test_must_be_alone_expect_no_other_beside_it(records):
    alone = [record for record in records if record["name"] == "test_alone"]
    assert len(alone) == 2
    assert not any(overlapping(record, records) for record in alone)
