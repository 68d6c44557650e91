"""What a shell offers when the Tab key is pressed: studies of the store, losses, metrics."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem, shell_complete

VARIABLE = "_LOSSEARCH_COMPLETE"
"""In it a shell says what it wants."""
_LINES = {
    "bash": 'eval "$(lossearch completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(lossearch completion zsh)"    # in ~/.zshrc',
    "fish": "lossearch completion fish | source    # in ~/.config/fish/config.fish",
}


def study_names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the studies of the store that was named, or of the one there is by default."""
    store = Path(ctx.params.get("store") or "mlruns")
    return _items(sorted(p.parent.name for p in store.glob("studies/*/study.json")), incomplete)


def loss_names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer losses, after a comma too; of the kind of task where it was given."""
    from lossearch.kinds import KINDS
    from lossearch.losses import losses_for

    kind = ctx.params.get("task_kind")
    kinds = [str(kind)] if kind in KINDS else list(KINDS)
    return _items(dict.fromkeys(name for k in kinds for name in losses_for(k)), incomplete)


def metric_names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer metrics, likewise."""
    from lossearch.metrics.registry import EVERY_METRIC

    kind = ctx.params.get("task_kind")
    return _items(dict.fromkeys(m.name for m in EVERY_METRIC if kind is None or kind in m.kinds), incomplete)


def _items(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    before, comma, begun = incomplete.rpartition(",")
    return [CompletionItem(f"{before}{comma}{name}") for name in names if name.startswith(begun)]


@click.command(epilog="\b\n" + "\n".join(_LINES.values()))
@click.argument("shell", type=click.Choice([*_LINES]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands, options and names."""
    complete(ctx.find_root().command, f"{shell}_source")


def complete(command: click.Command, instruction: str) -> int:
    """Do what a shell asks for, and return the exit code."""
    return shell_complete(command, {}, "lossearch", VARIABLE, instruction)
