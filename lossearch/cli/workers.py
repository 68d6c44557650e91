"""``lossearch workers``: who runs a study, and who trains what of it."""

from __future__ import annotations

import click

from lossearch.cli.options import debug_option, store_option, study_argument


@click.command()
@study_argument
@store_option
@debug_option
def workers(name: str, store: str) -> None:
    """Show who trains what of a running study."""
    from rich.table import Table

    from lossearch import api
    from lossearch._text import duration
    from lossearch.cli.output import show

    found = api.who_trains(name, store)
    if found.holder is None:
        show(f"Nobody runs study {name!r}.")
        return
    if not found.holder.alive:
        show(
            f"{str(found.holder).capitalize()} ended without closing study {name!r}; the same command goes on with it."
        )
        return
    show(f"Study {name!r} is run by {found.holder}.")
    if not found.assigned:
        show("It trains by itself now.")
        return
    table = Table("who", "replicates", "for", "pairs", box=None, pad_edge=False)
    for job in found.assigned:
        table.add_row(job.worker, str(job.replicates), duration(found.at - job.since), ", ".join(job.pairs))
    show(f"{found.engine.capitalize()}: {found.done} chunks done, {len(found.assigned)} in training.", table)
