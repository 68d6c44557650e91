# Written by tests/loss_stub.py from the losses' declarations.

from lossearch.kinds import TargetStatistics
from lossearch.pairs.criterion import Criterion
from lossearch.pairs.weights import ClassWeight, PosWeight

__all__ = [
    "ASL",
    "BCE",
    "BPMLL",
    "GCE",
    "LSEP",
    "MAE",
    "MSE",
    "MSLE",
    "NCERCE",
    "RMSE",
    "ZLPR",
    "Barron",
    "BootstrapHard",
    "BootstrapSoft",
    "CRPSGaussian",
    "CRPSLaplace",
    "Cauchy",
    "CauchySchwarzDivergence",
    "Chebyshev",
    "ConfidencePenalty",
    "CrammerSinger",
    "CrossEntropy",
    "CrossEntropyOneHot",
    "CubedHinge",
    "Dice",
    "Entmax15Loss",
    "EpsilonInsensitive",
    "Expectile",
    "Exponential",
    "Focal",
    "FocalTversky",
    "GammaNLL",
    "GaussianNLL",
    "GemanMcclure",
    "HLGauss",
    "HalfMSE",
    "Hinge",
    "Huber",
    "HuberQuantile",
    "InverseGaussianNLL",
    "JSDivergence",
    "Jaccard",
    "KLDiv",
    "LabelSmoothingBCE",
    "LabelSmoothingCE",
    "LaplaceNLL",
    "LogCosh",
    "LogCoshDice",
    "LogisticNLL",
    "Lp",
    "MCCLoss",
    "MSLEClamped",
    "MixtureDensityNLL",
    "ModifiedHuber",
    "MultiLabelMargin",
    "NLLSquared",
    "NegBinomialNLL",
    "OvRCubedHinge",
    "OvRHinge",
    "OvRLogistic",
    "OvRSquaredHinge",
    "PHuberCE",
    "Perceptron",
    "PoissonNLL",
    "Poly1",
    "PseudoHuber",
    "Quantile",
    "Ramp",
    "Savage",
    "SigmoidLoss",
    "SmoothL1",
    "SmoothedHinge",
    "SparsemaxBinary",
    "SparsemaxLoss",
    "SquareRescaled",
    "SquaredDice",
    "SquaredEpsilonInsensitive",
    "SquaredHinge",
    "StudentTNLL",
    "SymmetricCE",
    "Tangent",
    "Tanimoto",
    "TaylorCE",
    "TukeyBiweight",
    "Tversky",
    "TweedieNLL",
    "Unhinged",
    "Welsch",
    "WestonWatkins",
    "Wing",
]

class ASL(Criterion):
    def __init__(
        self,
        gamma_neg: float = 4.0,
        gamma_pos: float = 1.0,
        clip: float = 0.05,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

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

class BPMLL(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class GCE(Criterion):
    def __init__(
        self,
        q: float = 0.7,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class LSEP(Criterion):
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

class NCERCE(Criterion):
    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 1.0,
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

class ZLPR(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Barron(Criterion):
    def __init__(
        self,
        alpha: float = 1.0,
        c: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class BootstrapHard(Criterion):
    def __init__(
        self,
        beta: float = 0.8,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class BootstrapSoft(Criterion):
    def __init__(
        self,
        beta: float = 0.95,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class CRPSGaussian(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class CRPSLaplace(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Cauchy(Criterion):
    def __init__(
        self,
        c: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class CauchySchwarzDivergence(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Chebyshev(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class ConfidencePenalty(Criterion):
    def __init__(
        self,
        beta: float = 0.1,
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

class CubedHinge(Criterion):
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

class Dice(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Entmax15Loss(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class EpsilonInsensitive(Criterion):
    def __init__(
        self,
        epsilon: float = 0.1,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Expectile(Criterion):
    def __init__(
        self,
        tau: float = 0.5,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Exponential(Criterion):
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

class FocalTversky(Criterion):
    def __init__(
        self,
        alpha: float = 0.3,
        exponent: float = 0.75,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class GammaNLL(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class GaussianNLL(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class GemanMcclure(Criterion):
    def __init__(
        self,
        c: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class HLGauss(Criterion):
    def __init__(
        self,
        sigma: float = 0.75,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class HalfMSE(Criterion):
    def __init__(
        self,
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

class HuberQuantile(Criterion):
    def __init__(
        self,
        tau: float = 0.5,
        delta: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class InverseGaussianNLL(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class JSDivergence(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Jaccard(Criterion):
    def __init__(
        self,
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

class LabelSmoothingBCE(Criterion):
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

class LaplaceNLL(Criterion):
    def __init__(
        self,
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

class LogCoshDice(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class LogisticNLL(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Lp(Criterion):
    def __init__(
        self,
        p: float = 1.5,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class MCCLoss(Criterion):
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

class MixtureDensityNLL(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class ModifiedHuber(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class MultiLabelMargin(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class NLLSquared(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class NegBinomialNLL(Criterion):
    def __init__(
        self,
        alpha: float = 0.1,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class OvRCubedHinge(Criterion):
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

class OvRLogistic(Criterion):
    def __init__(
        self,
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

class PHuberCE(Criterion):
    def __init__(
        self,
        tau: float = 10.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Perceptron(Criterion):
    def __init__(
        self,
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

class Poly1(Criterion):
    def __init__(
        self,
        epsilon: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class PseudoHuber(Criterion):
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

class Quantile(Criterion):
    def __init__(
        self,
        tau: float = 0.5,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Ramp(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Savage(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class SigmoidLoss(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class SmoothL1(Criterion):
    def __init__(
        self,
        beta: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class SmoothedHinge(Criterion):
    def __init__(
        self,
        gamma: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class SparsemaxBinary(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class SparsemaxLoss(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class SquareRescaled(Criterion):
    def __init__(
        self,
        k: float = 1.0,
        m: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class SquaredDice(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class SquaredEpsilonInsensitive(Criterion):
    def __init__(
        self,
        epsilon: float = 0.1,
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

class StudentTNLL(Criterion):
    def __init__(
        self,
        df: float = 4.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class SymmetricCE(Criterion):
    def __init__(
        self,
        alpha: float = 0.1,
        beta: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Tangent(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Tanimoto(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class TaylorCE(Criterion):
    def __init__(
        self,
        order: float = 2,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class TukeyBiweight(Criterion):
    def __init__(
        self,
        c: float = 4.685,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Tversky(Criterion):
    def __init__(
        self,
        alpha: float = 0.3,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class TweedieNLL(Criterion):
    def __init__(
        self,
        power: float = 1.5,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Unhinged(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Welsch(Criterion):
    def __init__(
        self,
        c: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class WestonWatkins(Criterion):
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

class Wing(Criterion):
    def __init__(
        self,
        width: float = 1.0,
        epsilon: float = 0.2,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...
