"""Every fusion takes text, image, numbers and categories at once."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasfusion.fusion import FUSIONS

SMALL = {
    "block": {"chunks": 2, "rank": 2},
    "film": {"filters": 4, "num_blocks": 1},
    "mac": {"num_steps": 2},
    "relation": {"pair_hidden": (4,)},
    "tensor": {"hidden_dim": 3},
    **{kind: {"num_heads": 2, "num_layers": 1} for kind in ("co_attention", "cross_attention", "token_transformer")},
    # The first layer writes to the shared tokens, the second reads.
    "bottleneck": {"num_heads": 2, "num_layers": 2},
    "perceiver": {"num_heads": 2, "num_layers": 1},
}
# One of several modalities has a part of its own in their equations: it asks the others, or is the image grid.
ASKING = ("branched", "cross_attention", "mac", "memory", "residual", "stacked_attention")
STEERING = ("film", "relation")
NAMES = ("categories", "image", "numbers", "text")
# Row i lacks modality i, and the last row lacks all but the text.
PRESENT = {name: np.array([i != row for row in range(4)] + [name == "text"]) for i, name in enumerate(NAMES)}

every_fusion = pytest.mark.parametrize("kind", sorted(FUSIONS))


def four(rows=5):
    random = np.random.default_rng(1)

    def normal(*shape):
        return random.normal(size=shape).astype("float32")

    grid, numbers = normal(rows, 3, 3, 7), normal(rows, 6)
    mask = np.arange(4) < np.array([[4], [2], [3], [1], [4]])[:rows]
    return {
        "text": {"sequence": normal(rows, 4, 5), "pooled": normal(rows, 5), "mask": mask},
        "image": {"grid": grid, "sequence": grid.reshape(rows, 9, 7), "pooled": normal(rows, 7)},
        "numbers": {"pooled": numbers, "sequence": numbers[:, None]},
        "categories": {"pooled": normal(rows, 3), "sequence": normal(rows, 2, 3), "mask": np.ones((rows, 2), bool)},
    }


def make(kind, **changes):
    return FUSIONS[kind](**{"units": 8, **SMALL.get(kind, {}), **changes})


@every_fusion
def test_each_of_four_modalities_counts_where_it_is_there(kind):
    keras.utils.set_random_seed(0)
    layer, inputs = make(kind), four()
    plain = np.array(layer(inputs, present=PRESENT))
    assert plain.shape == (5, 8) and set(layer.read) == set(NAMES)
    # What is missing may hold anything.
    for name, parts in inputs.items():
        for value in parts.values():
            if value.dtype != bool:
                value[~PRESENT[name]] = np.nan
    np.testing.assert_array_equal(layer(inputs, present=PRESENT), plain)
    assert np.isfinite(plain).all()
    read = {name: tf.constant(inputs[name][part]) for name, part in layer.read.items()}
    given = {name: {**inputs[name], part: read[name]} for name, part in layer.read.items()}
    aim = np.random.default_rng(5).normal(size=(5, 8)).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(list(read.values()))
        loss = tf.reduce_sum(layer(given, present=PRESENT) * aim)
    for name, gradient in tape.gradient(loss, read).items():
        moved = np.abs(gradient.numpy()).reshape(5, -1).max(axis=1) > 0
        np.testing.assert_array_equal(moved, PRESENT[name], err_msg=name)


@pytest.mark.parametrize("kind", ASKING)
def test_which_modality_asks_must_be_named_without_a_text(kind):
    inputs = {name: parts for name, parts in four().items() if name != "text"}
    with pytest.raises(ValueError, match=r"needs one modality that asks: none was chosen among \['categories', 'im"):
        make(kind)(inputs)
    assert make(kind, query="numbers")(inputs).shape == (5, 8)


@pytest.mark.parametrize("kind", STEERING)
def test_which_grid_is_meant_must_be_named_among_two(kind):
    inputs = four()
    inputs = {"text": inputs["text"], "front": inputs["image"], "back": inputs["image"], "numbers": inputs["numbers"]}
    with pytest.raises(ValueError, match=re.escape("none was asked for and ['front', 'back'] have one")):
        make(kind)(inputs)
    assert make(kind, image="back")(inputs).shape == (5, 8)


def test_an_outer_product_too_large_for_memory_is_refused():
    vectors = {str(i): np.ones((2, 4), "float32") for i in range(5)}
    with pytest.raises(ValueError, match=r"of 5 modalities has 1,419,857 entries.*hidden_dim=16"):
        FUSIONS["tensor"](4)(vectors)
    assert FUSIONS["tensor"](4, hidden_dim=2)(vectors).shape == (2, 4)
