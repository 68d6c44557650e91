"""A store that may be read and not written, another user's for instance: every command that reads does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from strangers import RECORDED, snapshot

from lossearch.records.mlflow.client import quiet
from lossearch.records.mlflow.database import ensure_database

AS_OTHERS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""What lets root be stopped by permissions as others are."""
COMMANDS = """
import contextlib, io, json, sys
from pathlib import Path

import lossearch
from lossearch.cli import invoke
from lossearch.records import Store
from lossearch.records.mlflow.server import _database

store, out = sys.argv[1:]
found = {}
for arguments in (
    ["ls"],
    ["report", "small"],
    ["report", "small", "--format", "html"],
    ["report", "small", "--format", "html", "--output", f"{out}/page.html"],
    ["compare", "small", "small"],
    ["export", "small", f"{out}/model"],
    ["rerun", "small", "9"],
    ["sync", "small"],
    ["rm", "small", "--yes"],
    ["run", "--data", "circles", "--name", "small"],
    ["run", "--data", "circles", "--name", "new"],
):
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        code = invoke([*arguments, "--store", store])
    found[" ".join(arguments)] = (code, errors.getvalue())
said = []
uri = _database(Store.open(store, create=False), Path(out), (), said.append)
found["ui"] = (uri, said)
found["load"] = lossearch.load("small", store).best.pair
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="nothing stops root")
def test_what_may_only_be_read_is_read(tmp_path: Path) -> None:
    store, out = tmp_path / "store", tmp_path / "out"
    shutil.copytree(RECORDED, store)
    with quiet():
        ensure_database(store / "mlflow.db", store / "artifacts")
    out.mkdir()
    for path in (store, *store.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = snapshot(store)
    done = subprocess.run(
        [*(AS_OTHERS if os.geteuid() == 0 else ()), sys.executable, "-c", COMMANDS, str(store), str(out)],
        cwd=store,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert snapshot(store) == before
    read = (
        "ls",
        "report small",
        f"report small --format html --output {out}/page.html",
        f"export small {out}/model",
    )
    assert {name: found[name] for name in read} == {
        name: [0, "Drawing the report of small ...\n" if ".html" in name else ""] for name in read
    }
    assert found["rerun small 9"][0] == 0
    assert (out / "page.html").is_file()
    assert found["load"] == "bce/sigmoid"
    code, said = found["report small --format html"]
    assert (code, said) == (
        2, "Drawing the report of small ...\nError: small.html cannot be written: Permission denied. Name another place with --output.\n",
    )  # fmt: skip
    refused = f"Error: The store at {store} cannot be written: Permission denied. Name a directory you may write to with --store DIR.\n"
    for name in (
        "sync small",
        "rm small --yes",
        "run --data circles --name small",
        "run --data circles --name new",
    ):
        code, said = found[name]
        assert code == 2, name
        assert said.endswith(refused), name
    uri, said = found["ui"]
    assert uri == f"sqlite:///{out}/mlflow.db"
    assert said == [f"{store} cannot be written: this is a copy, and what is changed in it is not kept."]
