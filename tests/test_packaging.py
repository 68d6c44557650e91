"""What is published: an archive of sources and a wheel that hold the package and nothing else, and run outside a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow
NOT_SOURCES = (".*", "*.egg-info", "__pycache__", "build", "dist", "site", "mlruns")
BESIDE = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "MANIFEST.in", "README.md", "pyproject.toml"}
"""What an archive of sources has beside the package."""
MADE = {"PKG-INFO", "setup.cfg"}
FIRST = "run --data circles --losses bce --trials 5 --seeds 1 --confirm-seeds 2 --epochs 2"


@dataclass(frozen=True)
class Built:
    """The two files, and the names in them; of the archive below its only directory."""

    wheel: Path
    in_wheel: set[str]
    in_archive: set[str]


def called(*command: str | Path, cwd: Path) -> str:
    """Run a command as a stranger to the checkout would, and return what it printed."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("built")
    sources, out = folder / "sources", folder / "out"
    shutil.copytree(ROOT, sources, ignore=shutil.ignore_patterns(*NOT_SOURCES))
    called(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, sources, cwd=folder)
    (wheel,), (archive,) = out.glob("*.whl"), out.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {str(PurePosixPath(*Path(m.name).parts[1:])) for m in tar.getmembers() if m.isfile()}
    return Built(wheel, set(zipfile.ZipFile(wheel).namelist()), names)


def package() -> set[str]:
    """Return the files of the package as they lie in the checkout."""
    found = {str(p.relative_to(ROOT)) for p in (ROOT / "lossearch").rglob("*") if p.is_file()}
    return {name for name in found if "__pycache__" not in name}


def test_the_package_has_more_than_python():
    ends = {Path(name).name for name in package() if not name.endswith(".py")}
    assert ends >= {"py.typed", "modules.pyi", "report.html", "report.css"}


def test_the_wheel_holds_the_package_and_nothing_else(built):
    assert {name for name in built.in_wheel if ".dist-info/" not in name} == package()
    described = {Path(name).name for name in built.in_wheel if ".dist-info/" in name}
    assert described >= {"METADATA", "LICENSE", "entry_points.txt"}


def test_the_archive_holds_what_builds_it_and_nothing_else(built):
    of_ours = {name for name in built.in_archive if ".egg-info/" not in name}
    assert of_ours == package() | BESIDE | MADE


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The programs of an environment that has the wheel; its dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("elsewhere") / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    install = ("install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", built.wheel)
    called(sys.executable, "-m", "pip", "--python", python, *install, cwd=folder.parent)
    (own,) = (folder / "lib").glob("python3.*/site-packages")
    # after the environment's own, and without the .pth files there: an editable installation of the checkout is one
    (own / "dependencies.pth").write_text("\n".join(p for p in sys.path if p.endswith("site-packages")))
    return folder / "bin"


def test_it_is_the_wheel_that_runs(installed, tmp_path):
    from importlib.metadata import version

    where = called(installed / "python", "-c", "import lossearch; print(lossearch.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)
    assert (
        called(installed / "lossearch", "--version", cwd=tmp_path).strip()
        == f"lossearch {version('lossearch')}"
    )


def test_a_study_from_start_to_report(installed, tmp_path):
    assert "bce/sigmoid" in called(installed / "lossearch", *FIRST.split(), cwd=tmp_path)
    called(installed / "lossearch", "report", "circles", "--format", "html", cwd=tmp_path)
    assert "<svg" in (tmp_path / "circles.html").read_text()
