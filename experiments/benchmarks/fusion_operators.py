"""What a fusion layer costs beside its equation: each against plain TensorFlow with the same weights.

    python experiments/benchmarks/fusion_operators.py

64 rows; text of 16 words, 4 of them padding, and a grid of 8 x 8 cells, all 128 wide; the layer's default settings.
The lean side is the equation in `tf` operations alone: no layers, no missing modalities, matrices multiplied in two
dimensions. Both sides are a `tf.function` of the same inputs; outputs and gradients are compared first. *Forward* is
inference; *training* is forward and backward, to the inputs and all weights. The sides take turns, medians of
`--rounds` rounds of `--calls` calls.
"""

import argparse
import functools
import itertools
import operator
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import kerasfusion as kf
from kerasfusion.evaluation.results import append_results

ROWS, WORDS, SIDE, WIDTH = 64, 16, 8, 128

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--rounds", type=int, default=15)
parser.add_argument("--calls", type=int, default=10)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--only", nargs="*", help="names in kf.fusion.FUSIONS; all if left out")
parser.add_argument("--results", type=Path, default=Path("experiments/results/fusion_operators.csv"))
arguments = parser.parse_args()
tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)


def encoded():
    """What a text encoder and an image encoder give."""
    random = np.random.default_rng(0)

    def normal(*shape):
        return tf.constant(random.normal(size=shape), tf.float32)

    grid = normal(ROWS, SIDE, SIDE, WIDTH)
    mask = tf.tile(tf.range(WORDS)[None] < WORDS - 4, (ROWS, 1))
    return {
        "text": {"sequence": normal(ROWS, WORDS, WIDTH), "pooled": normal(ROWS, WIDTH), "mask": mask},
        "image": {
            "grid": grid,
            "sequence": tf.reshape(grid, (ROWS, SIDE * SIDE, WIDTH)),
            "pooled": normal(ROWS, WIDTH),
        },
    }


# The lean side. `t` and `v` are what a text encoder and an image encoder give.


def dense(layer, x, activation=None):
    """`activation(x W + b)`; more dimensions than two are made two and back."""
    y = tf.matmul(tf.reshape(x, (-1, x.shape[-1])) if x.shape.rank > 2 else x, layer.kernel.value)
    y = tf.nn.bias_add(y, layer.bias.value) if layer.use_bias else y
    y = y if activation is None else activation(y)
    return tf.reshape(y, (*x.shape[:-1], y.shape[-1])) if x.shape.rank > 2 else y


def signed_root_norm(x):
    rooted = x * tf.math.rsqrt(tf.maximum(tf.abs(x), 1e-6))
    return tf.math.l2_normalize(rooted, axis=-1, epsilon=1e-6)


def layer_norm(layer, x):
    centered = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    scale = tf.math.rsqrt(tf.reduce_mean(tf.square(centered), axis=-1, keepdims=True) + 1e-5)
    return centered * (scale * layer.gamma.value) + layer.beta.value


def attend(layer, queries, keys, mask):
    """Attention of several heads, without biases; `mask` `(B, S)` or None."""
    kernels = (layer.query_dense.kernel, layer.key_dense.kernel, layer.value_dense.kernel)
    heads, width = kernels[0].shape[1:]
    q, k, v = (
        tf.transpose(
            tf.reshape(
                tf.matmul(tf.reshape(x, (-1, x.shape[-1])), tf.reshape(kernel.value, (-1, heads * width))),
                (-1, x.shape[1], heads, width),
            ),
            (0, 2, 1, 3),
        )
        for x, kernel in zip((queries, keys, keys), kernels, strict=True)
    )
    scores = tf.matmul(q * width**-0.5, k, transpose_b=True)
    if mask is not None:
        scores += tf.where(mask, 0.0, -1e9)[:, None, None, :]
    found = tf.reshape(tf.transpose(tf.matmul(tf.nn.softmax(scores), v), (0, 2, 1, 3)), (-1, heads * width))
    found = tf.matmul(found, tf.reshape(layer.output_dense.kernel.value, (heads * width, -1)))
    return tf.reshape(found, (-1, *queries.shape[1:]))


def block(layer, tokens, context=None, mask=None):
    normal = layer_norm(layer.norm, tokens)
    seen = normal if context is None else layer_norm(layer.context_norm, context)
    tokens += attend(layer.attention, normal, seen, mask)
    hidden = dense(layer.expand, layer_norm(layer.feed_forward_norm, tokens), tf.nn.gelu)
    return tokens + dense(layer.contract, hidden)


def placed(layer, t, v):
    """The tokens of both with who and where they are, and their masks."""
    text = dense(layer.inputs["text"], t["sequence"]) + layer.positions["text"].value
    image = dense(layer.inputs["image"], v["sequence"]) + layer.positions["image"].value
    return text, image, t["mask"], tf.ones(image.shape[:2], tf.bool)


def projected(layer, x):
    return dense(layer.projection, layer_norm(layer.norm, x))


def mean_where(x, mask):
    weights = tf.cast(mask, tf.float32)
    return tf.reduce_sum(x * weights[:, :, None], axis=1) / tf.reduce_sum(weights, axis=1, keepdims=True)


def every_row(learned):
    return tf.broadcast_to(learned.value[None], (ROWS, *learned.shape))


def with_coordinates(grid):
    line = tf.linspace(-1.0, 1.0, SIDE)
    places = tf.stack(tf.meshgrid(line, line, indexing="ij"), axis=-1)
    return tf.concat([grid, tf.broadcast_to(places[None], (*grid.shape[:3], 2))], axis=-1)


def concat(layer, t, v, training):
    return dense(layer.projection, tf.concat([v["pooled"], t["pooled"]], axis=-1), tf.nn.relu)


def elementwise(activation, join):
    def lean(layer, t, v, training):
        inner = [dense(layer.inputs[n], x["pooled"], activation) for n, x in (("image", v), ("text", t))]
        return dense(layer.projection, join(*inner))

    return lean


def gated(layer, t, v, training):
    t, v = t["pooled"], v["pooled"]
    gate = dense(layer.gates["image"], tf.concat([v, t], axis=-1), tf.sigmoid)
    image, text = dense(layer.values["image"], v, tf.tanh), dense(layer.values["text"], t, tf.tanh)
    return gate * image + (1 - gate) * text


def branched(layer, t, v, training):
    choice = dense(layer.choice, t["pooled"], tf.nn.softmax)
    joint = dense(layer.joint, v["pooled"], tf.nn.relu)
    every = tf.reshape(dense(layer.branches, joint, tf.nn.relu), (ROWS, layer.num_branches, WIDTH))
    return tf.reduce_sum(choice[:, :, None] * every, axis=1)


def tensor(layer, t, v, training):
    one = tf.ones((ROWS, 1))
    text, image = (dense(layer.inputs[n], x["pooled"]) for n, x in (("text", t), ("image", v)))
    product = tf.concat([one, image], axis=1)[:, :, None] * tf.concat([one, text], axis=1)[:, None, :]
    return dense(layer.projection, tf.reshape(product, (ROWS, -1)), tf.nn.relu)


def low_rank(layer, t, v, training):
    product = dense(layer.factors["image"], v["pooled"]) * dense(layer.factors["text"], t["pooled"])
    terms = tf.reshape(product, (ROWS, layer.rank, layer.units)) * layer.rank_weights.value[:, None]
    return tf.nn.relu(tf.reduce_sum(terms, axis=1) + layer.bias.value)


def mfb(layer, t, v, training):
    product = dense(layer.inputs["image"], v["pooled"]) * dense(layer.inputs["text"], t["pooled"])
    return signed_root_norm(tf.reduce_sum(tf.reshape(product, (ROWS, layer.units, layer.num_factors)), axis=-1))


def mfh(layer, t, v, training):
    product = dense(layer.inputs["image"], v["pooled"]) * dense(layer.inputs["text"], t["pooled"])
    stages = itertools.accumulate(tf.split(product, layer.order, axis=1), operator.mul)
    shape = (ROWS, layer.units // layer.order, layer.num_factors)
    return tf.concat([signed_root_norm(tf.reduce_sum(tf.reshape(s, shape), axis=-1)) for s in stages], axis=-1)


def mutan(layer, t, v, training):
    product = 1.0
    for name, x in (("image", v), ("text", t)):
        factors = layer.factors[name]
        inner = tf.matmul(dense(layer.inputs[name], x["pooled"], tf.tanh), factors.kernel.value[0])
        product *= inner + factors.bias.value
    merged = tf.reduce_sum(tf.reshape(product, (ROWS, layer.rank, -1)), axis=1)
    return dense(layer.projection, merged)


def block_term(layer, t, v, training):
    product = 1.0
    for name, x in (("image", v), ("text", t)):
        inner = tf.transpose(tf.reshape(dense(layer.inputs[name], x["pooled"]), (ROWS, layer.chunks, -1)), (1, 0, 2))
        factors = layer.factors[name]
        product *= tf.matmul(inner, factors.kernel.value) + factors.bias.value[:, None]
    merged = signed_root_norm(tf.reduce_sum(tf.reshape(product, (layer.chunks, ROWS, layer.rank, -1)), axis=2))
    return dense(layer.projection, tf.reshape(tf.transpose(merged, (1, 0, 2)), (ROWS, -1)))


def residual(layer, t, v, training):
    state = t["pooled"]
    for shortcut, question, inner, outer in zip(
        layer.shortcuts, layer.questions, layer.inner, layer.outer, strict=True
    ):
        found = dense(outer, dense(inner, v["pooled"], tf.tanh), tf.tanh)
        state = dense(shortcut, state) + dense(question, state, tf.tanh) * found
    return state


def film(layer, t, v, training):
    grid, condition = with_coordinates(v["grid"]), t["pooled"]
    for part in layer.film_blocks:
        kernel, bias = part.reduce.kernel.value, part.reduce.bias.value
        reduced = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(grid, kernel, 1, "SAME"), bias))
        wide = tf.nn.conv2d(reduced, part.conv.kernel.value, 1, "SAME")
        if training:
            mean, variance = tf.nn.moments(wide, (0, 1, 2))
        else:
            mean, variance = part.norm.moving_mean.value, part.norm.moving_variance.value
        scale = tf.math.rsqrt(variance + part.norm.epsilon)
        gamma, beta = tf.split(dense(part.film, condition)[:, None, None, :], 2, axis=-1)
        gamma = (1.0 + gamma) * scale
        grid = reduced + tf.nn.relu(gamma * wide + (beta - gamma * mean))
    pooled = [tf.reduce_max(grid, (1, 2)), tf.reduce_sum(grid, (1, 2)) / SIDE, condition]
    return dense(layer.projection, tf.concat(pooled, axis=-1), tf.nn.relu)


def relation(layer, t, v, training):
    cells = SIDE * SIDE
    objects = tf.reshape(with_coordinates(v["grid"]), (ROWS, cells, -1))
    left, question = dense(layer.left, objects), dense(layer.question, t["pooled"])
    right = dense(layer.right, objects) + question[:, None]
    pairs = tf.reshape(tf.nn.relu(left[:, :, None] + right[:, None]), (ROWS * cells * cells, -1))
    for part in layer.pair_layers:
        pairs = dense(part, pairs, tf.nn.relu)
    found = tf.reduce_sum(tf.reshape(pairs, (ROWS, cells * cells, -1)), axis=1) / cells
    for part in layer.output_layers:
        found = dense(part, found, tf.nn.relu)
    return found


def stacked_attention(layer, t, v, training):
    state, cells = dense(layer.question, t["pooled"]), dense(layer.inputs["image"], v["sequence"], tf.tanh)
    for keys, queries, scores in zip(layer.keys, layer.queries, layer.scores, strict=True):
        hidden = tf.tanh(dense(keys, cells) + dense(queries, state)[:, None])
        weights = tf.nn.softmax(dense(scores, hidden)[:, :, 0])
        state += tf.matmul(weights[:, None], cells)[:, 0]
    return state


def mac(layer, t, v, training):
    words, mask = t["sequence"], t["mask"]
    question = dense(layer.question, mean_where(words, mask))
    word_keys, word_values = dense(layer.word_keys, words), dense(layer.word_values, words)
    keys, places = dense(layer.keys["image"], v["sequence"]), tf.constant(layer.positions["image"])
    control, state, last = question, tf.zeros_like(question), None
    for step in range(layer.num_steps):
        wanted = dense(layer.controls[step], tf.concat([question, control], axis=-1))
        scores = dense(layer.word_score, tf.tanh(word_keys + wanted[:, None]))[:, :, 0]
        weights = tf.nn.softmax(tf.where(mask, scores, -1e9))
        control = tf.matmul(weights[:, None], word_values)[:, 0]
        sides = dense(layer.sides[step], control)
        asked = dense(layer.reads[step], tf.concat([control, state], axis=-1))
        scores = tf.matmul(keys, asked[:, :, None])[:, :, 0] / layer.units**0.5
        if last is not None:
            scores += 4.0 * tf.matmul(half_planes(places - last[:, None]), sides[:, :, None])[:, :, 0]
        weights = tf.nn.softmax(scores)
        place = tf.matmul(weights, places)
        moved = tf.zeros_like(place) if last is None else place - last
        read = dense(layer.values["image"], tf.matmul(weights[:, None], v["sequence"])[:, 0])
        found = [read * (1.0 + dense(layer.gates[step], control)), read, state, half_planes(moved)]
        found += [half_planes(moved) * sides, place, moved]
        update = dense(layer.updates[step], tf.concat(found, axis=-1), tf.nn.relu)
        state, last = layer_norm(layer.norms[step], state + update), place
    return dense(layer.projection, tf.concat([state, question], axis=-1))


def half_planes(offsets):
    return tf.sigmoid(tf.concat([8.0 * offsets, -8.0 * offsets], axis=-1))


def memory(layer, t, v, training):
    state, keys = dense(layer.question, t["pooled"]), dense(layer.keys["image"], v["sequence"])
    for ask, gate, update, norm in zip(layer.queries, layer.gates, layer.updates, layer.norms, strict=True):
        weights = tf.nn.softmax(dense(layer.score, tf.nn.relu(keys + dense(ask, state)[:, None]))[:, :, 0])
        seen = dense(layer.values["image"], tf.matmul(weights[:, None], v["sequence"])[:, 0])
        thought = tf.concat([seen * (1.0 + dense(gate, state)), seen, state], axis=-1)
        state = layer_norm(norm, state + dense(update, thought, tf.nn.relu))
    return state


def cross_attention(layer, t, v, training):
    text, image, mask, _ = placed(layer, t, v)
    for part in layer.blocks:
        text = block(part, text, image)
    return projected(layer, mean_where(text, mask))


def co_attention(layer, t, v, training):
    text, image, mask, _ = placed(layer, t, v)
    for i in range(layer.num_layers):
        text, image = (
            block(layer.blocks[f"text_{i}"], text, image),
            block(layer.blocks[f"image_{i}"], image, text, mask),
        )
    return projected(layer, tf.concat([tf.reduce_mean(image, axis=1), mean_where(text, mask)], axis=-1))


def token_transformer(layer, t, v, training):
    text, image, mask, everywhere = placed(layer, t, v)
    tokens = tf.concat([every_row(layer.first), image, text], axis=1)
    mask = tf.concat([everywhere[:, :1], everywhere, mask], axis=1)
    for part in layer.blocks:
        tokens = block(part, tokens, mask=mask)
    return projected(layer, tokens[:, 0])


def bottleneck(layer, t, v, training):
    text, image, mask, _ = placed(layer, t, v)
    text = tf.concat([every_row(layer.first["text"]), text], axis=1)
    image = tf.concat([every_row(layer.first["image"]), image], axis=1)
    shared, n = every_row(layer.shared), layer.num_bottlenecks
    mask = tf.concat([tf.ones((ROWS, n + 1), tf.bool), mask], axis=1)
    for i in range(layer.num_layers):
        after_text = block(layer.blocks[f"text_{i}"], tf.concat([shared, text], axis=1), mask=mask)
        after_image = block(layer.blocks[f"image_{i}"], tf.concat([shared, image], axis=1))
        shared = (after_text[:, :n] + after_image[:, :n]) / 2
        text, image = after_text[:, n:], after_image[:, n:]
    return projected(layer, (text[:, 0] + image[:, 0]) / 2)


def perceiver(layer, t, v, training):
    text, image, mask, everywhere = placed(layer, t, v)
    seen, mask = tf.concat([image, text], axis=1), tf.concat([everywhere, mask], axis=1)
    latents = every_row(layer.latent_tokens)
    for cross, own in zip(layer.cross, layer.own, strict=True):
        latents = block(own, block(cross, latents, seen, mask))
    return projected(layer, tf.reduce_mean(latents, axis=1))


LEAN = {
    "block": block_term,
    "bottleneck": bottleneck,
    "branched": branched,
    "co_attention": co_attention,
    "concat": concat,
    "cross_attention": cross_attention,
    "film": film,
    "gated": gated,
    "low_rank": low_rank,
    "mac": mac,
    "memory": memory,
    "mfb": mfb,
    "mfh": mfh,
    "multiply": elementwise(tf.tanh, tf.multiply),
    "mutan": mutan,
    "perceiver": perceiver,
    "relation": relation,
    "residual": residual,
    "stacked_attention": stacked_attention,
    "sum": elementwise(tf.nn.relu, tf.add),
    "tensor": tensor,
    "token_transformer": token_transformer,
}


def sides(kind):
    """By pass, the calls of both sides; their outputs and gradients agree."""
    keras.utils.set_random_seed(0)
    layer, inputs = kf.fusion.FUSIONS[kind](WIDTH), encoded()
    layer(inputs)
    read = [inputs[name][part] for name, part in layer.read.items()]
    weights = [weight.value for weight in layer.trainable_weights]

    def ours(training):
        return layer(inputs, training=training)

    def lean(training):
        return LEAN[kind](layer, inputs["text"], inputs["image"], training)

    def train(side):
        with tf.GradientTape() as tape:
            tape.watch(read)
            out = side(True)
        return out, tape.gradient(out, [*read, *weights])

    made = {
        "forward": [tf.function(functools.partial(side, False), autograph=False) for side in (ours, lean)],
        "training": [tf.function(functools.partial(train, side), autograph=False) for side in (ours, lean)],
    }
    for two in made.values():
        for own, plain in zip(*(tf.nest.flatten(side()) for side in two), strict=True):
            own, plain = (tf.convert_to_tensor(x).numpy() for x in (own, plain))
            np.testing.assert_allclose(own, plain, rtol=1e-4, atol=1e-4 * max(1.0, float(np.abs(plain).max())))
    return made


def take_turns(two):
    """Median seconds of a call of each side, by the clock and of the processors."""
    seconds = [[], []]
    for i in range(arguments.rounds):
        for side in (0, 1) if i % 2 else (1, 0):
            started = time.perf_counter(), time.process_time()
            for _ in range(arguments.calls):
                two[side]()
            ended = time.perf_counter(), time.process_time()
            seconds[side].append([(b - a) / arguments.calls for a, b in zip(started, ended, strict=True)])
    return [[statistics.median(part) for part in zip(*some, strict=True)] for some in seconds]


rows, worst = [], 0.0
for kind in arguments.only or sorted(LEAN):
    for name, two in sides(kind).items():
        (own, own_cpu), (lean, lean_cpu) = take_turns(two)
        worst = max(worst, own / lean)
        rows += [
            {"model": kind, "metric": f"{name}: ms", "value": own * 1000},
            {"model": kind, "metric": f"{name}: ms, lean", "value": lean * 1000},
            {"model": kind, "metric": f"{name}: time / lean", "value": own / lean},
        ]
        print(
            f"{kind:18} {name:9} {own * 1000:8.3f} ms   lean {lean * 1000:8.3f} ms   ratio {own / lean:.2f}   "
            f"(of the processors {own_cpu / lean_cpu:.2f})",
            flush=True,
        )
rows.append({"model": "the slowest of all", "metric": "time / lean", "value": worst})
settings = f"--rounds {arguments.rounds} --calls {arguments.calls} --threads {arguments.threads}"
append_results(
    arguments.results, rows, "fusion_operators", f"python experiments/benchmarks/fusion_operators.py {settings}"
)
