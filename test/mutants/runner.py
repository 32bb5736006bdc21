"""`make mutants`: small faults put into the source, one at a time, each of which a test must find.

The faults are in the ``*.yaml`` files beside this one. Each is put into a copy of the tree, and
the tests named with it run there; the source itself is never touched. Exit status 1 when a test
notices nothing, when a fault is no longer where its entry says, or when the tests fail anyway.
"""

import os
import queue
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

ROOT = Path(__file__).parents[2]
WORKERS = 2
TIMEOUT_S = 600.0
NOT_COPIED = (".*", "out", "runs", "build", "install", "log", "__pycache__", "*.egg-info")
NOT_ITS_OWN_FAULT = ("ImportError", "ModuleNotFoundError", "NameError")
"""Errors of a mutant that cannot run at all, which says nothing about the tests."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One fault.

    Attributes:
        file: path of the source below the root.
        old, new: text of the source, there exactly once, and what stands in its place.
        means: what the fault would do to someone with a robot.
        tests: paths or node ids for pytest, below the root.
    """

    file: str
    old: str
    new: str
    means: str
    tests: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a mutant: "killed" is good, all else is not; ``detail`` says why."""

    mutant: Mutant
    verdict: str
    detail: str


def load(folder: Path) -> list[Mutant]:
    """All mutants of a folder's ``*.yaml`` files, in the order of names and lines."""
    entries = [e for p in sorted(folder.glob("*.yaml")) for e in yaml.safe_load(p.read_text())]
    return [Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


def out_of_date(mutant: Mutant, root: Path) -> str:
    """Why the mutant says nothing about the source of today; "" if it does."""
    path = root / mutant.file
    count = path.read_text("utf-8").count(mutant.old) if path.exists() else 0
    if count != 1:
        return f"'{mutant.old.strip()}' stands {count} times in {mutant.file}, not once"
    missing = [t for t in mutant.tests if not (root / t.partition("::")[0]).exists()]
    return f"no such tests: {', '.join(missing)}" if missing else ""


def run_tests(tree: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess:
    """Run tests of a tree up to the first failure, with what they found by chance forgotten."""
    shutil.rmtree(tree / ".hypothesis", ignore_errors=True)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
    # Bytecode is told apart by second and size, which a mutant often shares with its source.
    paths = os.pathsep.join([str(tree / "src"), str(Path(__file__).parent)])
    environment = {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    environment["COLUMNS"] = "1000"  # or pytest cuts off the names of errors
    return subprocess.run(
        [*command, "--hypothesis-seed=0", "-p", "without_shrinking", *tests],
        cwd=tree,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def judge(mutant: Mutant, tree: Path) -> Outcome:
    """Put a mutant into a tree, run its tests, and put the source back."""

    def outcome(verdict, detail=""):
        return Outcome(mutant=mutant, verdict=verdict, detail=detail)

    if reason := out_of_date(mutant, tree):
        return outcome("out of date", reason)
    path = tree / mutant.file
    source = path.read_text("utf-8")
    text = source.replace(mutant.old, mutant.new)
    try:
        compile(text, mutant.file, "exec")
    except SyntaxError as error:
        return outcome("not run", f"SyntaxError: {error}")
    path.write_text(text, "utf-8")
    try:
        ended = run_tests(tree, mutant.tests)
    except subprocess.TimeoutExpired:
        return outcome("not run", f"no end after {TIMEOUT_S:g} s")
    finally:
        path.write_text(source, "utf-8")
    if ended.returncode == 0:
        return outcome("SURVIVED", "no test noticed")
    failed = re.search(r"^FAILED (\S*::.*?)(?: - (.*))?$", ended.stdout, flags=re.MULTILINE)
    if failed is None or (failed[2] or "").startswith(NOT_ITS_OWN_FAULT):
        lines = (ended.stdout + ended.stderr).strip().splitlines()
        errors = [line for line in lines if line.startswith(("ERROR", "FAILED", "E  "))]
        return outcome("not run", (errors or lines)[0])
    return outcome("killed", failed[1].rpartition("::")[2])


def judge_all(mutants: list[Mutant], root: Path, scratch: Path) -> list[Outcome]:
    """Judge mutants on copies of a tree, ``WORKERS`` at a time.

    Raises:
        SystemExit: a test that should find a mutant fails without one.
    """
    trees: queue.Queue[Path] = queue.Queue()
    for k in range(WORKERS):
        tree = scratch / f"{k}"
        shutil.copytree(root, tree, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
        trees.put(tree)

    def in_a_tree(function, argument):
        tree = trees.get()
        try:
            return function(argument, tree)
        finally:
            trees.put(tree)

    usable = [mutant for mutant in mutants if not out_of_date(mutant, root)]
    files = sorted({test.partition("::")[0] for mutant in usable for test in mutant.tests})
    with ThreadPoolExecutor(WORKERS) as pool:
        tests = [
            pool.submit(in_a_tree, lambda part, tree: run_tests(tree, tuple(part)), part)
            for k in range(WORKERS)
            if (part := files[k::WORKERS])
        ]
        jobs = {pool.submit(in_a_tree, judge, mutant): mutant for mutant in mutants}
        for test in tests:
            if test.result().returncode != 0:
                pool.shutdown(cancel_futures=True)
                lines = test.result().stdout.splitlines()
                failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
                raise SystemExit("\n".join(["tests fail without a mutant:", *failed]))
        done = list(tqdm(as_completed(jobs), total=len(jobs), unit="mutant", dynamic_ncols=True))
    outcomes = {id(job.result().mutant): job.result() for job in done}
    return [outcomes[id(mutant)] for mutant in mutants]


def main(words: list[str], root: Path = ROOT) -> int:
    """Judge the mutants whose entries hold all words (all, without one) and print a table."""
    mutants = [m for m in load(root / "test" / "mutants") if all(w in f"{m}" for w in words)]
    with TemporaryDirectory() as scratch:
        outcomes = judge_all(mutants, root, Path(scratch))
    table = Table("file", "fault", "verdict", "by or why")
    for outcome in sorted(outcomes, key=lambda o: o.verdict != "killed"):  # the bad ones last
        style = None if outcome.verdict == "killed" else "bold red"
        mutant = outcome.mutant
        name = Path(mutant.file).name
        table.add_row(name, mutant.means, outcome.verdict, outcome.detail, style=style)
    Console().print(table)
    killed = sum(outcome.verdict == "killed" for outcome in outcomes)
    print(f"{killed} of {len(outcomes)} mutants killed")
    return 0 if outcomes and killed == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
