# Written by tests/loss_stub.py from the losses' declarations.

from lossearch.kinds import TargetStatistics
from lossearch.pairs.criterion import Criterion
from lossearch.pairs.weights import ClassWeight, PosWeight

__all__ = [
    "ASL",
    "BCE",
    "BPMLL",
    "EMD",
    "GCE",
    "LDAM",
    "LSEP",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "NCERCE",
    "OLL",
    "RMSE",
    "SMAPE",
    "SORD",
    "ZLPR",
    "AUCMargin",
    "AdaptiveWing",
    "Aitchison",
    "AngularMAE",
    "BalancedSoftmax",
    "Barron",
    "BetaDistributionNLL",
    "BetaNLL",
    "Bhattacharyya",
    "BiTemperedLogistic",
    "BinomialCE",
    "BootstrapHard",
    "BootstrapSoft",
    "CRPSEnsemble",
    "CRPSGaussian",
    "CRPSLaplace",
    "Cauchy",
    "CauchySchwarzDivergence",
    "Chebyshev",
    "ClassBalancedCE",
    "ClassBalancedFocal",
    "ConfidencePenalty",
    "ContinuousBernoulli",
    "Coral",
    "Corn",
    "Cosine",
    "CosineAngle",
    "CrammerSinger",
    "CrossEntropy",
    "CrossEntropyOneHot",
    "CubedHinge",
    "CumulativeLink",
    "CumulativeProbit",
    "Dice",
    "DiceBCE",
    "DirichletNLL",
    "DiscretizedLogisticMixture",
    "Entmax15Loss",
    "EpsilonInsensitive",
    "Evidential",
    "EvidentialNIG",
    "Expectile",
    "Exponential",
    "ExtendedBinary",
    "Focal",
    "FocalTversky",
    "ForwardCE",
    "GammaNLL",
    "GaussianNLL",
    "GemanMcclure",
    "GeneralizedDice",
    "HLGauss",
    "HalfMSE",
    "Hellinger",
    "Hinge",
    "HomoscedasticNLL",
    "Huber",
    "HuberQuantile",
    "ImageDice",
    "IndexRegression",
    "IntervalScore",
    "InverseGaussianNLL",
    "JSDivergence",
    "Jaccard",
    "KLDiv",
    "LabelSmoothingBCE",
    "LabelSmoothingCE",
    "LaplaceNLL",
    "LogCosh",
    "LogCoshDice",
    "LogMAE",
    "LogMSE",
    "LogisticNLL",
    "LogitAdjusted",
    "LognormalNLL",
    "LovaszHinge",
    "Lp",
    "MCCLoss",
    "MSLEClamped",
    "MixtureDensityNLL",
    "ModifiedHuber",
    "MultiLabelMargin",
    "MultiQuantile",
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
    "QWKLoss",
    "Quantile",
    "Ramp",
    "ReverseKL",
    "Savage",
    "SigmoidLoss",
    "SineCosineMSE",
    "SmoothL1",
    "SmoothedHinge",
    "SparsemaxBinary",
    "SparsemaxLoss",
    "SqrtMSE",
    "SquareRescaled",
    "SquaredDice",
    "SquaredEMD",
    "SquaredEpsilonInsensitive",
    "SquaredHinge",
    "StudentTNLL",
    "SymmetricCE",
    "Tangent",
    "Tanimoto",
    "TaylorCE",
    "TopKBCE",
    "TruncatedGCE",
    "TukeyBiweight",
    "Tversky",
    "TweedieNLL",
    "Unhinged",
    "UnifiedFocal",
    "VSLoss",
    "VonMisesNLL",
    "Welsch",
    "WestonWatkins",
    "Wing",
    "ZeroInflatedNegBinomialNLL",
    "ZeroInflatedPoissonNLL",
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

class EMD(Criterion):
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

class LDAM(Criterion):
    def __init__(
        self,
        max_margin: float = 0.5,
        scale: float = 1.0,
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

class MAPE(Criterion):
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

class OLL(Criterion):
    def __init__(
        self,
        alpha: float = 1.5,
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

class SMAPE(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class SORD(Criterion):
    def __init__(
        self,
        scale: float = 1.0,
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

class AUCMargin(Criterion):
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

class AdaptiveWing(Criterion):
    def __init__(
        self,
        theta: float = 0.5,
        epsilon: float = 1.0,
        alpha: float = 2.1,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Aitchison(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class AngularMAE(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class BalancedSoftmax(Criterion):
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

class BetaDistributionNLL(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class BetaNLL(Criterion):
    def __init__(
        self,
        beta: float = 0.5,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Bhattacharyya(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class BiTemperedLogistic(Criterion):
    def __init__(
        self,
        t1: float = 0.8,
        t2: float = 1.2,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class BinomialCE(Criterion):
    def __init__(
        self,
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

class CRPSEnsemble(Criterion):
    def __init__(
        self,
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

class ClassBalancedCE(Criterion):
    def __init__(
        self,
        volume: float = 1000.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class ClassBalancedFocal(Criterion):
    def __init__(
        self,
        gamma: float = 2.0,
        volume: float = 1000.0,
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

class ContinuousBernoulli(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Coral(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Corn(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class Cosine(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class CosineAngle(Criterion):
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

class CumulativeLink(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class CumulativeProbit(Criterion):
    def __init__(
        self,
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

class DiceBCE(Criterion):
    def __init__(
        self,
        share: float = 0.5,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class DirichletNLL(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class DiscretizedLogisticMixture(Criterion):
    def __init__(
        self,
        levels: float = 256,
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

class Evidential(Criterion):
    def __init__(
        self,
        strength: float = 0.1,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class EvidentialNIG(Criterion):
    def __init__(
        self,
        strength: float = 0.01,
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

class ExtendedBinary(Criterion):
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

class ForwardCE(Criterion):
    def __init__(
        self,
        noise: float = 0.1,
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

class GeneralizedDice(Criterion):
    def __init__(
        self,
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

class Hellinger(Criterion):
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

class HomoscedasticNLL(Criterion):
    def __init__(
        self,
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

class ImageDice(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class IndexRegression(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class IntervalScore(Criterion):
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

class LogMAE(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class LogMSE(Criterion):
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

class LogitAdjusted(Criterion):
    def __init__(
        self,
        tau: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class LognormalNLL(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class LovaszHinge(Criterion):
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

class MultiQuantile(Criterion):
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

class QWKLoss(Criterion):
    def __init__(
        self,
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

class ReverseKL(Criterion):
    def __init__(
        self,
        epsilon: float = 0.001,
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

class SineCosineMSE(Criterion):
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

class SqrtMSE(Criterion):
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

class SquaredEMD(Criterion):
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

class TopKBCE(Criterion):
    def __init__(
        self,
        share: float = 0.25,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class TruncatedGCE(Criterion):
    def __init__(
        self,
        q: float = 0.7,
        k: float = 0.05,
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

class UnifiedFocal(Criterion):
    def __init__(
        self,
        share: float = 0.5,
        delta: float = 0.6,
        gamma: float = 0.5,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class VSLoss(Criterion):
    def __init__(
        self,
        gamma: float = 0.3,
        tau: float = 1.0,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...

class VonMisesNLL(Criterion):
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

class ZeroInflatedNegBinomialNLL(Criterion):
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

class ZeroInflatedPoissonNLL(Criterion):
    def __init__(
        self,
        *,
        activation: str | None = None,
        task: str | None = None,
        statistics: TargetStatistics | None = None,
        class_weight: ClassWeight = None,
        pos_weight: PosWeight = None,
    ) -> None: ...
