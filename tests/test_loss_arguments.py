"""What is said where a loss's class or text is given arguments, or outputs, that it does not take."""

from __future__ import annotations

import inspect

import pytest
import torch

import lossearch
from lossearch._text import listed
from lossearch.errors import InputError, LossearchError, UnknownNameError
from lossearch.kinds import KINDS
from lossearch.losses import CATALOGUE
from lossearch.pairs import class_names, module_class


@pytest.mark.parametrize("name", class_names())
def test_a_misspelt_argument_of_any_class_is_told_what_was_meant(name):
    made = getattr(lossearch.losses, name)
    arguments = [a for a in inspect.signature(made).parameters if len(a) > 3]
    for known in arguments:
        with pytest.raises(TypeError) as error:
            made(**{known[:1] + known[2:]: 1})
        said = str(error.value)
        assert said.startswith(f"{name}() got an unexpected keyword argument {known[:1] + known[2:]!r}.")
        assert f"Did you mean {known!r}?" in said
        assert "Known: " in said
    with pytest.raises(
        TypeError, match=rf"{name}\(\) takes .* by position, .*activation, task.* by name; got 9 by"
    ):
        made(*range(9))


SEVERAL = [
    (table[name], other[name])
    for kind, table in CATALOGUE.items()
    for name in table
    for other in CATALOGUE.values()
    if name in other and set(table[name].defaults) - set(other[name].defaults)
]


@pytest.mark.parametrize(("having", "lacking"), SEVERAL, ids=str)
def test_a_parameter_for_another_task_says_for_which(having, lacking):
    name = next(iter(set(having.defaults) - set(lacking.defaults)))
    kind = lacking.kinds[0]
    for make in (
        lambda: module_class(lacking.class_name)(task=kind, **{name: 0.5}),
        lambda: lossearch.criterion(f"{lacking.name}/softmax({name}=0.5)", task=kind),
        lambda: lossearch.criterion(f"{lacking.name}/softmax", task=kind, **{name: 0.5}),
    ):
        with pytest.raises(UnknownNameError) as error:
            make()
        said = str(error.value)
        assert said.startswith(
            f"{lacking.name} for {listed(lacking.kinds)} tasks has no parameter {name!r}, that for "
        )
        assert all(other in said for other in having.kinds)
        assert said.endswith(f"It has: {', '.join(lacking.defaults)}.")


def test_focal_is_the_example():
    assert SEVERAL
    with pytest.raises(TypeError, match="Did you mean 'gamma'"):
        lossearch.losses.Focal(gama=2)
    with pytest.raises(TypeError, match="got gamma twice"):
        lossearch.losses.Focal(2.0, gamma=2)
    with pytest.raises(UnknownNameError, match="Did you mean 'gamma'"):
        lossearch.criterion("focal/sigmoid(gama=2)")
    assert lossearch.losses.Focal(2.0, 0.25).params == {"gamma": 2.0, "alpha": 0.25}


@pytest.mark.parametrize("name", ["Focal", "BCE", "Hinge", "MSE"])
def test_one_output_a_class_is_told_the_task(name):
    loss = getattr(lossearch.losses, name)(task="binary")
    with pytest.raises(InputError) as error:
        loss(torch.randn(4, 3), torch.tensor([0, 1, 2, 1]))
    said = str(error.value)
    assert "needs one output; the network gives 3. One output a class is for task='multiclass'" in said
    told = said.partition("there is")[2]
    for kind, table in CATALOGUE.items():
        serves = loss.pair.loss.name in table and kind != "binary"
        assert (f"task={kind!r}" in told) == (serves and not (KINDS[kind].like or KINDS[kind].yields))


def test_rows_that_do_not_agree_are_told_no_task():
    with pytest.raises(LossearchError) as error:
        lossearch.losses.MSE()(torch.randn(4, 1), torch.randn(3))
    assert "task=" not in str(error.value)
