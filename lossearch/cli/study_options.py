"""The keys of a study file as options of a command, as their tables declare them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from lossearch.cli.completion import loss_names, metric_names

if TYPE_CHECKING:
    from lossearch.config import Key

_OFFERS = {"space.losses": loss_names, "task.metric": metric_names}
"""Keys whose values a shell can complete."""
VALUES = "values"
"""The command's argument that takes what was given: key -> value."""


class LearningRateType(click.ParamType[Any]):
    """One number, or LOW:HIGH."""

    name = "low:high"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | tuple[float, float]:
        """Return a number or a pair of numbers; click's usage error where there is none."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        try:
            numbers = [float(part) for part in value.split(":")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 2):
            self.fail(f"{value!r} is neither a number nor LOW:HIGH, as in 1e-3:1.", param, ctx)
        return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


class TomlType(click.ParamType[Any]):
    """A value as a study file has it; text needs no quotes."""

    name = "value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        """Return the value."""
        from lossearch.config.toml import parse_value

        return parse_value(value) if isinstance(value, str) else value


class SettingType(click.ParamType[Any]):
    """KEY=VALUE."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return key and value; click's usage error where there is no equals sign."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        key, equals, text = value.partition("=")
        if not equals or not key.strip():
            self.fail(f"{value!r} is not of the form key=value, as in train.epochs=100.", param, ctx)
        return key.strip(), text.strip()


class ParameterType(click.ParamType[Any]):
    """LOSS.PARAMETER=LOW:HIGH, or one value that is not searched."""

    name = "loss.parameter=low:high"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float | tuple[float, float]]:
        """Return the key of the study file and its range; click's usage error where the text has another form."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        name, equals, text = value.rpartition("=")
        if not equals or not all(name.strip().partition(".")):
            self.fail(
                f"{value!r} is not of the form loss.parameter=low:high, as in focal.gamma=0.5:4.", param, ctx
            )
        return f"space.params.{name.strip()}", LearningRateType().convert(text, param, ctx)


class WordType(click.Choice[str]):
    """One of a key's words; ``numbers`` is the flag that takes a number and is called almost alike, if any."""

    def __init__(self, words: Sequence[str], numbers: str | None) -> None:
        super().__init__(words)
        self._numbers = numbers

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word; click's usage error where it is none."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            if self._numbers is not None and str(value).isdigit():
                self.fail(f"{error.message} Did you mean {self._numbers} {value}?", param, ctx)
            raise


def _type_of(key: Key) -> click.ParamType[Any]:
    """Return how the command line reads a key's value; what it does not settle, the table does."""
    kinds = key.kinds
    if kinds == (int,):
        return click.INT
    if kinds == (float,):
        return click.FLOAT
    if kinds == (float, tuple):
        return LearningRateType()
    if str in kinds:
        return click.STRING
    if any(isinstance(kind, type) for kind in kinds):
        return TomlType()
    from lossearch.config import KEYS

    numbers = next((k.flag for k in KEYS if k.flag == f"{key.flag}s" and int in k.kinds), None)
    return WordType(kinds, numbers)


def _option(key: Key) -> click.Option:
    name = f"{key.table}_{key.name}"
    if key.kinds == (bool,):
        return click.Option([f"{key.flag}/--no-{key.flag[2:]}", name], default=None, help=key.description)
    metavar = key.option.metavar or None
    also = [f"--{key.option.also}"] if key.option.also else []
    offers = _OFFERS.get(key.path)
    return click.Option(
        [key.flag, *also, name],
        type=_type_of(key),
        metavar=metavar,
        help=key.description,
        shell_complete=offers,
    )


class StudyCommand(click.Command):
    """A command that takes every key of a study file as an option, and passes those given on as ``values``.

    The tables are read when the options are first needed, so that other commands do not wait for them.
    """

    @cached_property
    def _keys(self) -> dict[str, tuple[Key, click.Option]]:
        from lossearch.config import KEYS

        made = ((key, _option(key)) for key in KEYS if key.flag)
        return {str(option.name): (key, option) for key, option in made}

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters and one option for each key."""
        return [*super().get_params(ctx), *(option for _, option in self._keys.values())]

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command with the keys that were given a value."""
        given = {name: ctx.params.pop(name) for name in self._keys}
        ctx.params[VALUES] = {self._keys[n][0].path: v for n, v in given.items() if v is not None}
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in groups, one for each table and one for the rest."""
        from lossearch.config.tables import KEYS, TABLES

        for table, model in TABLES.items():
            about = str(model.__doc__).partition("\n")[0].rstrip(".")
            with formatter.section(f"[{table}] {about}"):
                keys = [key for key in KEYS if key.table == table]
                formatter.write_dl([self._record(ctx, key) for key in keys])
        with formatter.section("Output"):
            formatter.write_dl(list(self._own_records(ctx)))

    def _record(self, ctx: click.Context, key: Key) -> tuple[str, str]:
        if not key.flag:
            return f"--set {key.path}.NAME=VALUE", key.description
        option = self._keys[f"{key.table}_{key.name}"][1]
        return option.get_help_record(ctx) or ("", "")

    def _own_records(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        for param in super().get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                yield record
