"""What a criterion says, and what a training comes to, on whatever device: all of it as numbers of the processor."""

from __future__ import annotations

import torch

from contracts.problems import every_pair, replicate, space_of
from lossearch.training.batches import Batches
from lossearch.training.contract import TrainingCall, TrainSettings
from lossearch.training.optimizers import make_optimizer
from lossearch.training.plain.module import ReplicateModule
from lossearch.training.population.population import Population


def _fields(predictions):
    return {n: value.cpu() for n, value in vars(predictions).items() if isinstance(value, torch.Tensor)}


def said(criterion, raw, y, weight):
    """Value, gradient, values of rows and predictions of a criterion, on the processor."""
    output = raw.clone().requires_grad_()
    criterion.eval()
    loss = criterion(output, y, weight) if criterion.pair.loss.weightable else criterion(output, y)
    loss.backward()
    criterion.progress = 0.5
    criterion.train()
    training = loss if criterion.pair.loss.weight_penalty else criterion(raw, y)
    with torch.no_grad():
        found = {
            "loss": loss.detach().cpu(), "training": training.detach().cpu(), "gradient": output.grad.cpu(),
            "rows": criterion.per_sample(raw, y).cpu(), "predict": criterion.predict(raw).cpu(),
            **_fields(criterion.predictions(raw)),
        }  # fmt: skip
        if criterion.pair.gives("probability"):
            found["proba"] = criterion.predict_proba(raw).cpu()
        if criterion.pair.gives("distribution"):
            found["quantiles"] = criterion.predict_quantiles(raw, [0.1, 0.9]).cpu()
            found["interval"] = criterion.predict_interval(raw, 0.9).cpu()
    return found


SETTINGS = TrainSettings(2, 16, "sgd", {"momentum": 0.9}, clip=1.0)


def trained(task, pairs, device, settings=SETTINGS):
    """What an epoch, a smaller population's next one, and all that is said of it come to, on the processor."""
    points = [replicate(p).point for p in sorted(pairs, key=lambda p: p.name)]
    call = TrainingCall(task, space_of(task, pairs), random=True)
    population = Population(call, points, (0, 1), settings, device)
    every = population.task.metrics
    found = {}
    for epoch in range(2):
        losses = population.train_epoch(epoch, population._update, lambda: False)
        best = population.weights.snapshot()
        raw = population.outputs(population.validation)
        population.guard(population.losses(raw, population.validation), raw)
        found |= {f"losses {epoch}": losses.cpu().numpy(), f"outputs {epoch}": raw.cpu().numpy()}
        found |= {f"{k} {epoch}": v for k, v in population.scores(raw, population.validation, every).items()}
        found |= {f"{k} {epoch}": v for k, v in population.behaviour(raw).items()}
        found[f"alive {epoch}"] = population.monitor.alive.copy()
        chosen = torch.ones(2 * len(population.points), dtype=torch.bool).to(device)
        population.weights.store(best, chosen)
        kept = list(range(0, len(population.points), 2))
        population.select(kept)(best)
        found |= {f"{k} {epoch}": v.numpy() for k, v in population.weights.state(0).items()}
    return found


def by_head(task):
    heads = {}
    for pair in every_pair(task):
        heads.setdefault(pair.loss.head, []).append(pair)
    return heads.values()


def alone(task, pair, device):
    """A replicate's losses and curves of one epoch, without a Trainer."""
    given = replicate(pair)
    module = ReplicateModule(
        TrainingCall(task, space_of(task, [pair]), random=False), given, SETTINGS, device
    )
    module.network.to(device)
    optimizer = make_optimizer("sgd", module.network.parameters(), 0.1, {})
    found = {}
    module.criterion.progress = 0.5
    for i, batch in enumerate(Batches(module.training_part, 0, 16, lambda: 0)):
        optimizer.zero_grad()
        loss = module.training_step(batch)
        loss.backward()
        optimizer.step()
        found[f"loss {i}"] = loss.item()
    held = module.validation_part
    with torch.no_grad():
        module.eval()
        module.validation_step((held.x, held.encoded, held.weight))
    return found | module.recorder.curves()
