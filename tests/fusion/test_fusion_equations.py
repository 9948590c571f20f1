"""Each pooled fusion against its docstring's equation, evaluated in NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from in_numpy import IMAGE, NUMBERS, TEXT, affine, check, randomize, relu, sigmoid, signed_root_norm, softmax

from kerasfusion.fusion import (
    BlockFusion,
    BranchedFusion,
    ConcatFusion,
    GatedFusion,
    LowRankFusion,
    MFBFusion,
    MFHFusion,
    MultiplyFusion,
    MUTANFusion,
    ResidualFusion,
    SumFusion,
    TensorFusion,
)

BOTH = {"text": TEXT, "image": IMAGE}
THREE = {"text": TEXT, "numbers": NUMBERS, "image": IMAGE}


def test_concat_with_literal_weights():
    layer = ConcatFusion(1)
    layer.build({"text": TEXT.shape, "image": IMAGE.shape})
    # Alphabetical: two places of the image first, then three of the text.
    layer.set_weights([np.array([[1.0], [10.0], [2.0], [0.0], [4.0]], "float32"), np.array([-3.0], "float32")])
    # 0.5 + 15 + 2 + 2 - 3 and -1 + 20 - 4 - 3
    check(layer, {"text": TEXT, "image": IMAGE}, [[16.5], [12.0]])
    check(layer, {"text": -TEXT, "image": -IMAGE}, [[0.0], [0.0]])


def test_concat_without_units_is_the_bare_concatenation():
    layer = ConcatFusion(None)
    check(layer, {"text": TEXT, "image": IMAGE}, [[0.5, 1.5, 1, -2, 0.5], [-1, 2, 0, 3, -1]])
    assert layer.weights == []


def test_what_is_missing_is_replaced_by_its_own_vector():
    layer = ConcatFusion(None)
    present = {"text": np.array([True, False]), "image": np.array([False, True])}
    layer.build({"text": TEXT.shape, "image": IMAGE.shape}, {"text": (2,), "image": (2,)})
    layer.missing["text"].assign([7.0, 8.0, 9.0])
    layer.missing["image"].assign([5.0, 6.0])
    check(layer, {"text": TEXT, "image": IMAGE}, [[5, 6, 1, -2, 0.5], [-1, 2, 7, 8, 9]], present=present)


@pytest.mark.parametrize(
    ("fusion", "function", "join"), [(SumFusion, relu, np.add), (MultiplyFusion, np.tanh, np.multiply)]
)
def test_elementwise(fusion, function, join):
    layer = fusion(4)
    layer.build({"text": TEXT.shape, "image": IMAGE.shape})
    randomize(layer)
    joined = join(function(affine(layer.inputs["text"], TEXT)), function(affine(layer.inputs["image"], IMAGE)))
    assert layer.projection.kernel.shape == (4, 4)
    check(layer, {"text": TEXT, "image": IMAGE}, affine(layer.projection, joined))


def test_gated_two_share_one_gate():
    layer = GatedFusion(4)
    layer.build({"text": TEXT.shape, "image": IMAGE.shape})
    randomize(layer)
    assert list(layer.gates) == ["image"] and len(layer.weights) == 6
    gate = sigmoid(affine(layer.gates["image"], np.concatenate([IMAGE, TEXT], axis=1)))
    first, second = (np.tanh(affine(layer.values[k], x)) for k, x in (("image", IMAGE), ("text", TEXT)))
    check(layer, {"text": TEXT, "image": IMAGE}, gate * first + (1 - gate) * second)


def test_gated_three_have_a_gate_each():
    inputs = {"text": TEXT, "numbers": NUMBERS, "image": IMAGE}
    layer = GatedFusion(4)
    layer.build({name: value.shape for name, value in inputs.items()})
    randomize(layer)
    joined = np.concatenate([IMAGE, NUMBERS, TEXT], axis=1)
    expected = sum(
        sigmoid(affine(layer.gates[name], joined)) * np.tanh(affine(layer.values[name], value))
        for name, value in inputs.items()
    )
    check(layer, inputs, expected)


def test_branched_mixes_what_its_branches_make_of_the_others_by_the_command():
    layer = BranchedFusion(4, num_branches=3)
    layer.build({name: value.shape for name, value in THREE.items()})
    randomize(layer)
    joint = relu(affine(layer.joint, np.concatenate([IMAGE, NUMBERS], axis=1)))
    choice, every = softmax(affine(layer.choice, TEXT)), relu(affine(layer.branches, joint))
    expected = sum(choice[:, [b]] * every[:, 4 * b : 4 * b + 4] for b in range(3))
    check(layer, THREE, expected)
    # A sharp choice is the branch itself, as in the paper.
    kernel = np.zeros((3, 3), "float32")
    layer.choice.set_weights([kernel, np.array([0.0, 100.0, 0.0], "float32")])
    check(layer, THREE, every[:, 4:8])


def random_weights(layer, inputs, scale=1.0):
    layer.build({name: value.shape for name, value in inputs.items()})
    randomize(layer, scale)
    return layer


def kernels(layers, shape):
    """For each modality (kernel `(d, *shape)`, bias `shape`) of its dense layer."""
    return {
        name: (np.array(dense.kernel).reshape(-1, *shape), np.array(dense.bias).reshape(shape))
        for name, dense in layers.items()
    }


def test_tensor_with_literal_weights():
    layer = TensorFusion(1, hidden_dim=None)
    layer.build({"text": (2, 1), "image": (2, 2)})
    # [1; v] by [1; t]: 1, t, v1, v1 t, v2, v2 t.
    layer.set_weights([np.array([[1.0], [10.0], [2.0], [0.0], [0.0], [3.0]], "float32")])
    text = np.array([[2.0], [-1.0]], "float32")
    # 1 + 20 + 2*0.5 + 3*1.5*2 and relu(1 - 10 - 2 - 6)
    check(layer, {"text": text, "image": IMAGE}, [[31.0], [0.0]])


@pytest.mark.parametrize("inputs", [BOTH, THREE])
def test_tensor(inputs):
    layer = random_weights(TensorFusion(5, hidden_dim=3), inputs)
    product = np.ones((2, 1))
    for name in sorted(inputs):
        extended = np.concatenate([np.ones((2, 1)), affine(layer.inputs[name], inputs[name])], axis=1)
        product = np.stack([np.kron(a, b) for a, b in zip(product, extended, strict=True)])
    assert product.shape == (2, 4 ** len(inputs)) and not layer.projection.use_bias
    expected = relu(affine(layer.projection, product))
    assert (expected > 0).any()
    check(layer, inputs, expected)


@pytest.mark.parametrize("inputs", [BOTH, THREE])
def test_low_rank(inputs):
    layer = random_weights(LowRankFusion(4, rank=3), inputs)
    factors = kernels(layer.factors, (3, 4))
    expected = np.array(layer.bias) + np.zeros((2, 4))
    for r in range(3):
        term = np.array(layer.rank_weights)[r] * np.ones((2, 4))
        for name, value in inputs.items():
            term *= value @ factors[name][0][:, r] + factors[name][1][r]
        expected += term
    assert (expected > 0).any() and (expected < 0).any()
    check(layer, inputs, relu(expected))


@pytest.mark.parametrize("inputs", [BOTH, THREE])
def test_mfb(inputs):
    layer = random_weights(MFBFusion(4, num_factors=3), inputs)
    factors = kernels(layer.inputs, (4, 3))
    expected = np.zeros((2, 4))
    for place in range(4):
        for k in range(3):
            terms = [value @ factors[n][0][:, place, k] + factors[n][1][place, k] for n, value in inputs.items()]
            expected[:, place] += np.prod(terms, axis=0)
    check(layer, inputs, signed_root_norm(expected))


def test_mfh():
    layer = random_weights(MFHFusion(6, order=3, num_factors=4), BOTH)
    factors = kernels(layer.inputs, (3, 2, 4))
    stage, expected = np.ones((2, 2, 4)), []
    for i in range(3):
        text, image = (np.einsum("bd,dok->bok", BOTH[n], factors[n][0][:, i]) + factors[n][1][i] for n in BOTH)
        stage = stage * (text * image)
        expected.append(signed_root_norm(stage.sum(axis=2)))
    check(layer, BOTH, np.concatenate(expected, axis=1))
    with pytest.raises(ValueError, match="6 units cannot be shared out among 4 blocks"):
        MFHFusion(6, order=4)


@pytest.mark.parametrize("fusion", [MFBFusion, MFHFusion, BlockFusion])
def test_root_and_norm_have_a_gradient_at_zero(fusion):
    layer = fusion(4)
    inputs = {name: tf.zeros((2, 3)) for name in ("text", "image")}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(inputs))
    gradients = tape.gradient(loss, [w.value for w in layer.trainable_weights])
    assert all(np.isfinite(g).all() for g in gradients) and float(loss) == 0


@pytest.mark.parametrize("inputs", [BOTH, THREE])
def test_mutan(inputs):
    layer = random_weights(MUTANFusion(5, hidden_dim=4, rank=3), inputs)
    expected = np.zeros((2, 4))
    for r in range(3):
        term = np.ones((2, 4))
        for name, value in inputs.items():
            matrix, bias = np.array(layer.factors[name].kernel)[0], np.array(layer.factors[name].bias)[0]
            inner = np.tanh(affine(layer.inputs[name], value))
            term *= inner @ matrix[:, 4 * r : 4 * r + 4] + bias[4 * r : 4 * r + 4]
        expected += term
    check(layer, inputs, affine(layer.projection, expected))


@pytest.mark.parametrize("inputs", [BOTH, THREE])
def test_block(inputs):
    layer = random_weights(BlockFusion(5, hidden_dim=6, chunks=3, rank=4), inputs)
    chunks = []
    for c in range(3):
        chunk = np.zeros((2, 2))
        for r in range(4):
            term = np.ones((2, 2))
            for name, value in inputs.items():
                matrix, bias = np.array(layer.factors[name].kernel)[c], np.array(layer.factors[name].bias)[c]
                inner = affine(layer.inputs[name], value)[:, 2 * c : 2 * c + 2]
                term *= inner @ matrix[:, 2 * r : 2 * r + 2] + bias[2 * r : 2 * r + 2]
            chunk += term
        chunks.append(signed_root_norm(chunk))
    check(layer, inputs, affine(layer.projection, np.concatenate(chunks, axis=1)))
    with pytest.raises(ValueError, match="a width of 6 cannot be cut into 4 chunks"):
        BlockFusion(6, chunks=4)


@pytest.mark.parametrize(("inputs", "query"), [(BOTH, None), (THREE, None), (THREE, "image")])
def test_residual(inputs, query):
    layer = random_weights(ResidualFusion(4, num_layers=3, query=query), inputs, scale=0.5)
    state = inputs[query or "text"]
    seen = np.concatenate([inputs[name] for name in sorted(inputs) if name != (query or "text")], axis=1)
    for i in range(3):
        found = np.tanh(affine(layer.outer[i], np.tanh(affine(layer.inner[i], seen))))
        state = state @ np.array(layer.shortcuts[i].kernel) + np.tanh(affine(layer.questions[i], state)) * found
    check(layer, inputs, state)


def test_who_asks():
    def asks(inputs, query=None):
        layer = ResidualFusion(4, query=query)
        layer(inputs)
        return layer.asking

    image = {"grid": np.zeros((2, 1, 1, 2), "float32"), "pooled": IMAGE}
    assert asks({"title": TEXT, "text": TEXT, "image": IMAGE}) == "text"
    assert asks({"title": TEXT, "photo": image}) == "title"
    assert asks({"title": TEXT, "photo": image}, query="photo") == "photo"
    with pytest.raises(ValueError, match=r"none was chosen among \['numbers', 'photo', 'title'\]"):
        asks({"title": TEXT, "numbers": NUMBERS, "photo": image})
    with pytest.raises(ValueError, match="caption was chosen"):
        asks(BOTH, query="caption")
    with pytest.raises(ValueError, match="needs another modality beside 'text'"):
        asks({"text": TEXT})
