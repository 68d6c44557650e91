"""The rival: a population by JAX jit, vmap and scan, in as fast a form as was found. It only trains.

All epochs are one compiled program over donated buffers. Replicates of one seed share their mini-batch;
each pair's loss applies to its own slice of the configurations, so nothing is computed for a pair that is not its
own. A last batch that is smaller is padded, the padding weighted zero. ``form`` says how the first layer
is written: "dot" as a matrix product, "sum" for few inputs as a sum over them.
"""

from __future__ import annotations

import time
from functools import partial
from itertools import groupby, pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from _problems import BATCH, MOMENTUM, Problem, configurations, shape
from _sides import timed

Tree = Any


def _sign(t: jax.Array) -> jax.Array:
    return 2 * t - 1


LOSSES = {
    "bce/sigmoid": lambda z, t: jax.nn.softplus(z) - t * z,
    "focal/sigmoid": lambda z, t: jax.nn.sigmoid(-_sign(t) * z) ** 2 * jax.nn.softplus(-_sign(t) * z),
    "hinge/identity": lambda z, t: jnp.maximum(0, 1 - _sign(t) * z),
    "hinge/tanh": lambda z, t: jnp.maximum(0, 1 - _sign(t) * jnp.tanh(z)),
    "squared_hinge/identity": lambda z, t: jnp.maximum(0, 1 - _sign(t) * z) ** 2,
    "mse/identity": lambda z, t: (z - _sign(t)) ** 2,
    "mse/sigmoid": lambda z, t: jax.nn.sigmoid(-_sign(t) * z) ** 2,
    "mae/sigmoid": lambda z, t: jax.nn.sigmoid(-_sign(t) * z),
}


def _forward(form: str, p: Tree, x: jax.Array) -> jax.Array:
    w, b, out, c = p
    first = sum(x[:, i : i + 1] * w[i] for i in range(w.shape[0])) if form == "sum" else x @ w
    return (jax.nn.relu(first + b) @ out + c)[:, 0]


def _initial(of: Problem, seeds: int, each: int, key: jax.Array) -> Tree:
    def one(key: jax.Array) -> Tree:
        keys = jax.random.split(key, 4)
        shapes = [((of.n_in, of.hidden), of.n_in), ((of.hidden,), of.n_in)]
        shapes += [((of.hidden, of.n_out), of.hidden), ((of.n_out,), of.hidden)]
        return tuple(
            jax.random.uniform(k, s, minval=-(fan**-0.5), maxval=fan**-0.5)
            for k, (s, fan) in zip(keys, shapes, strict=True)
        )

    stacked = jax.vmap(one)(jax.random.split(key, seeds))
    return jax.tree.map(lambda t: jnp.repeat(t[:, None], each, axis=1), stacked)


def _program(of: Problem, seeds: int, each: int, form: str, x: jax.Array, y: jax.Array) -> Any:
    """Return the compiled training: (weights, velocity) and one key an epoch to the same after it."""
    dealt = configurations(of, each)
    rates = jnp.asarray([a.lr for a in dealt], jnp.float32)
    names = [(pair, len(list(own))) for pair, own in groupby(a.pair for a in dealt)]
    ends = list(pairwise(np.cumsum([0, *(n for _, n in names)]).tolist()))
    apply = jax.vmap(jax.vmap(partial(_forward, form), in_axes=(0, None)))
    padded = of.steps * BATCH
    weight = (jnp.arange(padded) < of.train).astype(jnp.float32).reshape(of.steps, 1, 1, BATCH)

    def loss(p: Tree, x: jax.Array, t: jax.Array, w: jax.Array) -> jax.Array:
        raw, t = apply(p, x), t[:, None]
        per = [LOSSES[name](raw[:, a:b], t) for (name, _), (a, b) in zip(names, ends, strict=True)]
        return (jnp.concatenate(per, axis=1) * w).sum() / w.sum()

    def step(carry: Tree, batch: Tree) -> tuple[Tree, None]:
        p, v = carry
        v = jax.tree.map(lambda v, g: MOMENTUM * v + g, v, jax.grad(loss)(p, *batch))
        p = jax.tree.map(lambda p, v: p - rates.reshape(-1, *[1] * (p.ndim - 2)) * v, p, v)
        return (p, v), None

    def epoch(carry: Tree, key: jax.Array) -> tuple[Tree, None]:
        keys = jax.random.split(key, seeds)
        order = jax.vmap(lambda k: jax.random.permutation(k, of.train))(keys)
        order = jnp.concatenate([order, order[:, : padded - of.train]], axis=1)
        order = order.reshape(seeds, of.steps, BATCH).swapaxes(0, 1)
        return jax.lax.scan(step, carry, (x[order], y[order], weight))[0], None

    return jax.jit(lambda carry, keys: jax.lax.scan(epoch, carry, keys)[0], donate_argnums=0)


def train(of: Problem, replicates: int, form: str) -> dict[str, Any]:
    """Train and time it, compilation apart."""
    seeds, each = shape(replicates)
    rows = of.rows()
    x, y = jnp.asarray(rows.x), jnp.asarray(rows.y, jnp.float32)

    def fresh() -> Tree:
        p = _initial(of, seeds, each, jax.random.key(0))
        return jax.block_until_ready((p, jax.tree.map(jnp.zeros_like, p)))

    keys = jax.random.split(jax.random.key(1), of.epochs)
    begun = time.perf_counter()
    program = _program(of, seeds, each, form, x, y).lower(fresh(), keys).compile()
    compiled, carry = time.perf_counter() - begun, fresh()
    carry, seconds, cpu = timed(lambda: jax.block_until_ready(program(carry, keys)))
    score = partial(_forward, form)
    raw = jax.vmap(jax.vmap(score, in_axes=(0, None)), in_axes=(0, None))(carry[0], jnp.asarray(rows.x_val))
    right = ((np.asarray(raw) > 0) == (rows.y_val > 0)).mean(axis=2)
    finite = np.isfinite(np.asarray(raw)).all(axis=2)
    return {
        "each": seconds / replicates,
        "cpu_each": cpu / replicates,
        "compile": compiled,
        "accuracy": float(right[finite].mean()),
    }
