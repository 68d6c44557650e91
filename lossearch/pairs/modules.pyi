# Written by tests/loss_stub.py from the losses' declarations.

from lossearch.kinds import TargetStatistics
from lossearch.pairs.criterion import Criterion
from lossearch.pairs.weights import ClassWeight, PosWeight

__all__ = [
    "BCE",
    "MAE",
    "MSE",
    "MSLE",
    "RMSE",
    "CrammerSinger",
    "CrossEntropy",
    "CrossEntropyOneHot",
    "Focal",
    "Hinge",
    "Huber",
    "KLDiv",
    "LabelSmoothingCE",
    "LogCosh",
    "MSLEClamped",
    "OvRHinge",
    "OvRSquaredHinge",
    "PoissonNLL",
    "SquaredHinge",
]

class BCE(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class MAE(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class MSE(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class MSLE(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class RMSE(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class CrammerSinger(Criterion):
    def __init__(
        self,
        margin: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class CrossEntropy(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class CrossEntropyOneHot(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Focal(Criterion):
    def __init__(
        self,
        gamma: float = 2.0,
        alpha: float = -1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Hinge(Criterion):
    def __init__(
        self,
        margin: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Huber(Criterion):
    def __init__(
        self,
        delta: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class KLDiv(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class LabelSmoothingCE(Criterion):
    def __init__(
        self,
        smoothing: float = 0.1,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class LogCosh(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class MSLEClamped(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class OvRHinge(Criterion):
    def __init__(
        self,
        margin: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class OvRSquaredHinge(Criterion):
    def __init__(
        self,
        margin: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class PoissonNLL(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class SquaredHinge(Criterion):
    def __init__(
        self,
        margin: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...
