"""Which Optuna storages keep a study, and what is said of others."""

from __future__ import annotations

import re

import pytest

from lossearch.errors import InputError
from lossearch.records.optuna import reach_storage


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("grpc://localhost:13000", "one process alone writes"),
        ("redis://localhost:6379", "keeps nothing by itself"),
        ("journal:///studies/a.log", "a journal beside the study"),
        ("postgres://me@host/studies", "is spelt postgresql://"),
        ("studies.db", "a file of one is sqlite:////absolute/path.db"),
        ("/studies/a.db", "a file of one is sqlite:////absolute/path.db"),
        ("sqlite://", "is in memory"),
        ("sqlite:///:memory:", "is in memory"),
        ("sqlite:///file::memory:?uri=true", "is in memory"),
        ("sqlite:///file:a?mode=memory&cache=shared&uri=true", "is in memory"),
        ("word://host/studies", "is no database that is known"),
    ],
)
def test_a_storage_that_keeps_no_study_is_refused_with_what_to_give(url, why):
    with pytest.raises(InputError, match=re.escape(why)) as refused:
        reach_storage(url)
    assert "Allowed: sqlite://, postgresql://" in str(refused.value)
