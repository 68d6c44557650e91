"""The answer of a study, read from its records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossearch.config import StudyConfig, make_config
from lossearch.config.toml import parse_toml
from lossearch.errors import RunFailedError
from lossearch.records.curves import read_curves
from lossearch.records.store import Store
from lossearch.records.trial import TrialRecord
from lossearch.report import frames, tables
from lossearch.report.words import Basis
from lossearch.space import Point
from lossearch.study.recorded import load_study, read_trials
from lossearch.study.value import counted

if TYPE_CHECKING:
    import optuna
    import pandas as pd
    from rich.console import RenderableType

CURVES = "search"
"""The stage whose curves are read."""


@dataclass(frozen=True)
class Result:
    """What a study found. The same whether it has just run or is loaded from the store.

    ``declared`` is the study's own description, as ``study.json`` in the store has it; ``trials`` holds
    every trial, failed attempts included.
    """

    name: str
    store: Store
    declared: Mapping[str, Any]
    trials: tuple[TrialRecord, ...]

    @cached_property
    def records(self) -> tuple[TrialRecord, ...]:
        """The trials that count: of a repeated one the last attempt."""
        return tuple(counted(self.trials))

    @cached_property
    def config(self) -> StudyConfig:
        """The resolved study file."""
        return make_config(parse_toml(self.declared["config"], "study.json"), f"study {self.name!r}")

    @cached_property
    def basis(self) -> Basis:
        """How the numbers came to be."""
        d = self.declared
        return Basis(
            name=self.name,
            metric=d["metric"],
            direction=d["direction"],
            optimizer=d["optimizer"],
            seeds=d["seeds"],
            conventional=d["conventional"],
            epoch=d["epoch"],
            min_trials=d["min_trials"],
            selected=d["selected"],
        )

    @cached_property
    def leaderboard(self) -> pd.DataFrame:
        """One row a pair, ranked; the columns are those of ``report.frames.leaderboard``."""
        return frames.leaderboard(
            self.records,
            direction=self.basis.direction,
            metric=self.basis.metric,
            pairs=self.declared["pairs"],
            conventional=self.basis.conventional,
            min_trials=self.basis.min_trials,
            searched=self.declared["identity"]["space"]["pairs"],
        )

    @property
    def curves(self) -> pd.DataFrame:
        """Every replicate's curves, one row an epoch."""
        return read_curves(self.store.study_dir(self.name), CURVES)

    @cached_property
    def leader(self) -> Point | None:
        """The point of best mean score among ranked pairs; None before any pair has enough trials."""
        ranked = self.leaderboard[self.leaderboard["rank"].notna()]
        if ranked.empty:
            return None
        return {r.number: r for r in self.records}[int(ranked["trial"].iloc[0])].point

    @property
    def best(self) -> Point:
        """The point to use.

        Raises:
            RunFailedError: no pair has enough finished trials.
        """
        if self.leader is None:
            done = sum(r.value is not None for r in self.records)
            raise RunFailedError(
                f"Study {self.name!r} has no ranked pair: {done} of {len(self.records)} trials finished with a "
                f"value, and a pair needs {self.basis.min_trials}."
            )
        return self.leader

    @cached_property
    def study(self) -> optuna.Study:
        """The recorded Optuna study."""
        return load_study(self.store, self.name, self.declared["storage"])

    @property
    def experiment_id(self) -> str | None:
        """The MLflow experiment; None where MLflow was not used."""
        return (self.declared["mlflow"] or {}).get("experiment_id")

    @property
    def run_id(self) -> str | None:
        """The MLflow parent run of the study; None where MLflow was not used."""
        return (self.declared["mlflow"] or {}).get("run_id")

    @property
    def published(self) -> pd.DataFrame | None:
        """Published numbers beside ours, where the study file gives any."""
        if not self.config.published:
            return None
        return frames.published(
            self.config.published, self.records, metric=self.basis.metric, direction=self.basis.direction
        )

    @property
    def summary(self) -> list[str]:
        """What to know beside the table, a sentence each."""
        return list(self.declared["notes"])

    def render(self) -> RenderableType:
        """Return the answer for a terminal."""
        from rich.console import Group
        from rich.text import Text

        parts: list[RenderableType] = [tables.leaderboard_table(self.leaderboard, self.basis)]
        published = self.published
        if published is not None:
            parts += [Text(), tables.published_table(published, self.basis)]
        return Group(*parts)

    def as_json(self) -> dict[str, Any]:
        """Return the answer as plain values."""
        published = self.published
        return {
            "name": self.name,
            "store": str(self.store.root),
            "task": self.declared["identity"]["task"],
            "metric": self.basis.metric,
            "direction": self.basis.direction,
            "optimizer": self.basis.optimizer,
            "seeds": self.basis.seeds,
            "conventional": self.basis.conventional,
            "optimistic": True,
            "best": None if self.leader is None else self.leader.as_json(),
            "leaderboard": _rows(self.leaderboard),
            "published": None if published is None else _rows(published),
            "rejections": self.declared["rejections"],
            "notes": self.summary,
            "trials": len(self.records),
            "mlflow": self.declared["mlflow"],
        }

    def save(self, folder: Path) -> list[Path]:
        """Write leaderboard, figures and study file into a directory, and return the files."""
        from lossearch.report import figures

        written = []
        for name, text in {
            "leaderboard.md": tables.to_markdown(self.leaderboard, self.basis),
            "leaderboard.csv": self.leaderboard.to_csv(index=False),
            "study.toml": self.declared["config"],
        }.items():
            path = folder / name
            path.write_text(text, encoding="utf-8")
            written.append(path)
        if self.leader is None:
            return written
        trials = frames.best_records(self.records, direction=self.basis.direction)
        ranked = [p for p in self.leaderboard["pair"] if p in trials]
        shown = frames.curves(self.curves, {p: trials[p].number for p in ranked})
        tried = frames.lr_sensitivity(self.records, metric=self.basis.metric)
        return [
            *written,
            figures.save(figures.learning_curves(shown, self.basis), folder / "learning_curves.png"),
            figures.save(figures.lr_sensitivity(tried, self.basis), folder / "lr_sensitivity.png"),
        ]

    def __repr__(self) -> str:
        best = "none yet" if self.leader is None else f"{self.leader.pair} at lr {self.leader.lr:.3g}"
        return f"Result({self.name!r}, {len(self.records)} trials, best {best})"


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in plain.to_dict("records")]


def load_result(store: Store, name: str) -> Result:
    """Return the result of a study from its records.

    Raises:
        UnknownNameError: the store has no such study.
        StoreError: its records are damaged.
    """
    declared = store.read_study(name)
    return Result(name, store, declared, read_trials(store, name, declared["storage"]))
