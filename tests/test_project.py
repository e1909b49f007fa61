"""What must hold of the project as a whole."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "jobs", "migrations")
MAX_LINES = 300
# One list of tables, one first schema: cutting them in two would not make them easier to read.
LONG = {"app/db/tables.py", "migrations/versions/0001_the_schema.py"}
# Written in parts, so that this file does not find itself.
MACHINE_PATHS = re.compile("|".join(rf"(?<![\w.])/{folder}/" for folder in ("work", "root", "opt/wheels", "opt/pypi")))
LEFT_OVERS = re.compile(rf"\b(?:{'TO' + 'DO'}|{'FIX' + 'ME'}|X{'XX'})\b")


def ours(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and not path.name.endswith((".min.js", ".pyc"))


def project_files() -> list[Path]:
    """Everything written by hand, as paths from the root."""
    folders = [*PACKAGES, "tests", "deploy", ".ci"]
    top = [
        path
        for path in ROOT.iterdir()
        if path.suffix in (".md", ".toml", ".yml", ".ini", ".in", ".lock") or path.name in ("Makefile", "Dockerfile")
    ]
    found = [*top, *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    return sorted(path.relative_to(ROOT) for path in found if ours(path))


def text_of(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def test_a_python_file_is_one_idea_and_under_300_lines() -> None:
    long = {path.as_posix() for path in project_files() if path.suffix == ".py" and text_of(path).count("\n") >= MAX_LINES}
    assert long - LONG == set()


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    assert [path.as_posix() for path in project_files() if MACHINE_PATHS.search(text_of(path))] == []


def test_nothing_is_left_for_later() -> None:
    assert [path.as_posix() for path in project_files() if LEFT_OVERS.search(text_of(path))] == []


def test_the_lock_holds_every_dependency_but_torch_and_no_cuda() -> None:
    project = tomllib.loads(text_of(Path("pyproject.toml")))["project"]
    wanted = {name_of(line) for line in [*project["dependencies"], *project["optional-dependencies"]["dev"]]}
    locked = {name_of(line) for line in text_of(Path("requirements.lock")).splitlines() if re.match(r"\w", line)}
    assert wanted - locked == {"torch"}
    assert not {name for name in locked if name.startswith(("nvidia", "cuda", "triton"))}
    assert "://" not in text_of(Path("requirements.lock"))


def name_of(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def test_a_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    # In a process of its own: setuptools warns of much that is not ours.
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", build, tmp_path], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {path.as_posix() for path in project_files() if path.parts[0] in PACKAGES} <= packed
