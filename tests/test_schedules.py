"""Learning-rate schedules against torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lossearch.config import make_config
from lossearch.data.sources import read_data
from lossearch.errors import InputError
from lossearch.pairs import find_pair
from lossearch.space import Space
from lossearch.study.resolve import refuse_unknown
from lossearch.tasks.build import make_task
from lossearch.training.contract import Replicate, TrainingMethod, TrainSettings
from lossearch.training.plain.train import train_plain
from lossearch.training.population.method import train_population
from lossearch.training.schedules import SCHEDULES, WARM_UP


def rates(make: object, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make(optimizer)  # type: ignore[operator]
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("constant", lambda o: torch.optim.lr_scheduler.ConstantLR(o, factor=1.0)),
        ("step", lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=20, gamma=0.1)),
        ("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=60)),
        ("linear", lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.0, total_iters=60)),
    ],
)
def test_a_schedule_is_torchs(name: str, make: object) -> None:
    assert [SCHEDULES[name](i, 60) for i in range(60)] == pytest.approx(rates(make, 60), abs=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=str)
@given(step=st.integers(0, 5000), total=st.integers(1, 5000))
def test_a_factor_lies_between_0_and_1(schedule: object, step: int, total: int) -> None:
    assert 0.0 <= schedule(step, total) <= 1.0  # type: ignore[operator]


@pytest.mark.parametrize("name", ["warmup", "warmup_cosine"])
def test_a_warm_up_rises_and_reaches_the_whole_rate(name: str) -> None:
    factors = [SCHEDULES[name](i, 1000) for i in range(1000)]
    top = int(WARM_UP * 1000)
    assert factors[:top] == sorted(factors[:top])
    assert factors[0] > 0
    assert factors[top] == 1.0


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
@pytest.mark.parametrize("name", ["step", "cosine", "warmup_cosine"])
def test_together_and_alone_follow_the_same_schedule(name: str, optimizer: str) -> None:
    task = make_task(read_data("circles", options={"n_samples": 120}), hidden=[4], dtype=torch.float64)
    space = Space("binary", (find_pair("bce/sigmoid", "binary"),), (1e-3, 1.0))
    points = [space.point("bce/sigmoid", {"lr": lr}) for lr in (0.003, 0.1)]
    replicates = [Replicate(p, s) for p in points for s in (0, 1)]

    def curves(schedule: str, train: TrainingMethod) -> list[list[float]]:
        settings = TrainSettings(6, 16, optimizer, schedule=schedule, precision="64-true")
        return [list(r.curves["val_loss"]) for r in train(task, space, replicates, settings)]

    alone = curves(name, train_plain)
    assert np.allclose(curves(name, train_population), alone, rtol=1e-7)
    assert not np.allclose(alone, curves("constant", train_plain), rtol=1e-3)


def test_a_study_file_knows_every_schedule() -> None:
    for name in SCHEDULES:
        asked = make_config({"train": {"schedule": name}})
        assert asked.train.schedule == name
        refuse_unknown(asked)
    with pytest.raises(InputError, match="No schedule named 'cosin'"):
        refuse_unknown(make_config({"train": {"schedule": "cosin"}}))
