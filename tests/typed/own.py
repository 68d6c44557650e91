"""A loss of one's own, declared and not."""

import torch
from torch import Tensor, nn

import lossearch
from lossearch.losses import Parameter


@lossearch.loss(
    task="binary",
    encoding="plus_minus_one",
    domain="real",
    source="ours",
    example=(0.5, 1.0, 0.25),
    params=(Parameter("power", 2.0, 1.0, 4.0),),
)
def steep(output: Tensor, target: Tensor, *, power: float | Tensor) -> Tensor:
    """max(0, 1 - s f)^power"""
    return (1 - output * target).clamp(min=0) ** power


declared: lossearch.Loss = steep
values: Tensor = steep(torch.zeros(3), torch.ones(3))
criterion: lossearch.Criterion = lossearch.criterion("steep/identity", losses=[steep], power=3.0)


class Plain(nn.Module):
    """A module that declares nothing."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return one value a row."""
        return (output - target).abs()


result: lossearch.Result = lossearch.search(data="circles", losses=["bce", steep, Plain()], name="own")
model = lossearch.load_model("dir", losses=[steep])
comparison = lossearch.compare(["a", "b"])
