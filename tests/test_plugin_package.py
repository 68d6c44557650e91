"""A package with losses of its own: installed it is in the catalogue and searched, and gone when it is removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lossearch.checks.contract import check_loss

PACKAGE = Path(__file__).parent / "data" / "plugin"


def run(*arguments, path, cwd):
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_its_losses_hold_to_the_contract(monkeypatch):
    monkeypatch.syspath_prepend(str(PACKAGE))
    import acme_losses

    try:
        for loss in acme_losses.LOSSES:
            assert [str(f) for f in check_loss(loss) if not f.ok] == []
    finally:
        sys.modules.pop("acme_losses")


@pytest.mark.slow
def test_a_package_is_installed_searched_and_removed(tmp_path):
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(PACKAGE, source)  # building leaves files beside the sources
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--quiet", "--target", str(site)]
    done = run("pip", "install", *options, str(source), path=site, cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    done = run("lossearch", "losses", "--format", "json", path=site, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    known = {(row["kind"], row["name"]) for row in json.loads(done.stdout)}
    assert {("binary", "acme_hinge"), ("multiclass", "acme_counted")} <= known
    study = [
        "lossearch", "run", "--data", "circles", "--losses", "acme_hinge", "--trials", "10", "--seeds", "2",
        "--epochs", "2", "--confirm-seeds", "0", "--store", "store", "--name", "acme",
    ]  # fmt: skip
    done = run(*study, path=site, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "acme_hinge/identity" in done.stdout
    shutil.rmtree(site)
    done = run(*study, path=site, cwd=tmp_path)
    assert done.returncode != 0
    assert "No binary loss named 'acme_hinge'" in done.stderr + done.stdout
