"""A quick look at a study: a few points of its initial design, those in the middle of the learning rates first.

They are the study's own trials, so that a whole run goes on from them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lossearch.space import Point, Space
from lossearch.study.initial_design import to_unit
from lossearch.study.pace import Pace, Training
from lossearch.study.schedule import Proposal, Schedule
from lossearch.study.time_left import TimeLeft

SECONDS = 16.0
"""Of training, where no time is given: with all that surrounds it a command takes about half a minute."""
PLACES = 3
"""Points that a pair gets at most."""
CAREFUL = 1.2
"""By how much training is taken to last longer than is foreseen."""
OVERHEAD = 5.0
"""See ``pace.OVERHEAD``: where too few replicates are taken to be cheap, what is begun is soon given up for fewer."""
TRIED_SECONDS = 1.5
"""Of training, after which it is known whether what was begun will be done in time."""
LATE = 1.5
"""By how much training may last longer before it is given up, with what it has trained so far."""

Place = tuple[str, int]
"""A pair, and the place of one of its points."""


def points_to_look_at(schedule: Schedule, conventional: str) -> list[list[Proposal]]:
    """Return the points of a quick look in order: first one of every pair, the conventional one's before all."""
    of_pair: dict[str, list[Proposal]] = {}
    for proposal in schedule.next_round({}):
        of_pair.setdefault(proposal.point.pair, []).append(proposal)
    ordered = {
        pair: sorted(own, key=lambda p: _from_middle(schedule.space, p.point))[:PLACES]
        for pair, own in of_pair.items()
    }
    pairs = sorted(ordered, key=lambda pair: pair != conventional)
    most = max(map(len, ordered.values()), default=0)
    return [[ordered[pair][i] for pair in pairs if i < len(ordered[pair])] for i in range(most)]


def _from_middle(space: Space, point: Point) -> float:
    """Return how far a point's learning rate is from the middle of its range, as a share of it."""
    lr = next((d for d in space.dimensions(point.pair) if d.name == "lr"), None)
    return 0.0 if lr is None else round(abs(to_unit(lr, point.lr) - 0.5), 9)


def next_look(
    looks: Sequence[Sequence[Proposal]],
    done: Collection[Place],
    pace: Pace,
    seeds: int,
    epochs: int,
    seconds: float,
) -> list[Proposal]:
    """Return what to train next of a quick look; nothing where no more can be done in the ``seconds`` left.

    While nothing is known of the time it takes, one point of every pair; later points only for all pairs alike.
    Of what was given up as too long fewer pairs are tried, the least at any rate.
    """
    left = [[p for p in look if (p.point.pair, p.index) not in done] for look in looks]
    left = [look for look in left if look]
    if not left:
        return []
    if not pace.known:
        return left[0]

    def fits(proposals: Sequence[Proposal]) -> bool:
        return (
            CAREFUL * pace.seconds(Training(len(proposals) * seeds, epochs), len(proposals) * seeds)
            <= seconds
        )

    for n in range(len(left), 0, -1):
        whole = [p for look in left[:n] for p in look]
        if fits(whole):
            return whole
    if left[0][0] not in looks[0]:
        return []
    found = next((left[0][:n] for n in range(len(left[0]), 0, -1) if fits(left[0][:n])), [])
    # fewer than two pairs say nothing
    return found if found or done else left[0][:2]


@dataclass
class GivesUp:
    """Says whether to stop training that was begun in a quick look: it would last far beyond the deadline."""

    time_left: TimeLeft
    deadline: float
    _begun: float | None = None

    def __call__(self) -> bool:
        """Return whether to stop; False while that is not known, and where the end is near."""
        now = self.time_left.clock()
        self._begun = now if self._begun is None else self._begun
        spent, left = now - self._begun, self.time_left.training_seconds
        allowed = self.deadline + (LATE - 1) * (self.deadline - self._begun)
        return spent > TRIED_SECONDS and left > spent and now + left > allowed
