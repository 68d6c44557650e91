"""Comparisons of studies in MLflow: a run each in the table of all studies, with the page as its artifact."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence

from lossearch._urls import Url
from lossearch.errors import StoreError
from lossearch.records.mlflow.client import connect, quiet, tracking_errors
from lossearch.records.mlflow.overview import open_overview
from lossearch.records.mlflow.rows import TAG_LENGTH, cut
from lossearch.records.mlflow.study_run import NOTE, ROLE, who
from lossearch.records.store import Store

PAGE = "comparison.html"
COMPARED = "lossearch.compared"
_ROLE = "comparison"


def write_comparison(
    store: Store,
    names: Sequence[str],
    page: str,
    *,
    said: str = "",
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
) -> str | None:
    """Write a comparison into the store's own MLflow database, in place of what was there of the same studies.

    Args:
        store: whose database it is.
        names: the compared studies.
        page: the comparison as HTML.
        said: the answer in words.
        metrics: numbers of it.
        tags: what else the table shows of it.

    Returns:
        The run's id; None where an experiment of the table's name is somebody else's.

    Raises:
        StoreError: the database cannot be written.
    """
    from mlflow.entities import Metric, RunTag

    uri, compared = Url(store.tracking_uri), ", ".join(sorted(names))
    client = connect(store, uri)
    with quiet():
        try:
            experiment_id = open_overview(client, store, uri)
            if experiment_id is None:
                return None
            key = cut(compared, TAG_LENGTH)
            found = client.search_runs(
                [experiment_id], f"tags.`{COMPARED}` = {json.dumps(key)}", max_results=1
            )
            run = (
                found[0]
                if found
                else client.create_run(
                    experiment_id,
                    tags={ROLE: _ROLE, COMPARED: key, **who()},
                    run_name=cut(f"comparison of {compared}", 200),
                )
            )
            run_id = str(run.info.run_id)
            now = round(1000 * time.time())
            numbers = [Metric(k, v, now, 0) for k, v in (metrics or {}).items() if math.isfinite(v)]
            shown = [RunTag(k, cut(v, TAG_LENGTH)) for k, v in {**(tags or {}), NOTE: said}.items()]
            client.log_batch(run_id, metrics=numbers, tags=shown)
            client.log_text(run_id, page, PAGE)
            client.set_terminated(run_id)
        except tracking_errors() as error:
            raise StoreError(
                f"The comparison cannot be written to MLflow at {uri}: {uri.said(error)}"
            ) from uri.cause(error)
    return run_id
