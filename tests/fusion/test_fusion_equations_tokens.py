"""Each fusion of token sequences against its docstring's equation, evaluated in NumPy."""

import keras
import numpy as np
import pytest
from in_numpy import affine, check, gelu, layer_norm, randomize, relu, softmax

from kerasfusion.fusion import (
    BottleneckFusion,
    CoAttention,
    CrossAttention,
    MACFusion,
    MemoryFusion,
    PerceiverFusion,
    StackedAttention,
    TokenTransformer,
)

SETTINGS = {"units": 5, "hidden_dim": 4, "num_heads": 2, "num_layers": 2}


def three_modalities():
    """Text of 4 words with padding, an image of 6 cells, numbers as one token; two rows."""
    random = np.random.default_rng(3)

    def normal(*shape):
        return random.normal(size=shape).astype("float32")

    return {
        "text": {
            "sequence": normal(2, 4, 3),
            "pooled": normal(2, 3),
            "mask": np.array([[True, True, False, False], [False, True, True, True]]),
        },
        "image": {"sequence": normal(2, 6, 2), "pooled": normal(2, 2)},
        "numbers": {"sequence": normal(2, 1, 7), "pooled": normal(2, 7)},
    }


def mask_of(parts):
    return parts.get("mask", np.ones(parts["sequence"].shape[:2], bool))


def prepared(fusion, inputs, **changes):
    layer = fusion(**{**SETTINGS, **changes})
    layer(inputs)
    randomize(layer, scale=0.7)
    return layer


def rows_of(layer, inputs):
    """For each row of the batch, dict name -> the tokens that count `(n, width)`: `W_m x_l + e_m + p_{m,l}`."""
    for row in range(2):
        yield {
            name: (affine(layer.inputs[name], parts["sequence"][row]) + np.array(layer.positions[name]))[
                mask_of(parts)[row]
            ]
            for name, parts in sorted(inputs.items())
        }


def attend(layer, queries, keys):
    """Multi-head attention, head by head."""
    names = ("query_dense", "key_dense", "value_dense", "output_dense")
    to_query, to_key, to_value, out = (np.array(getattr(layer, name).kernel) for name in names)
    result = 0
    for head in range(to_query.shape[1]):
        scores = (queries @ to_query[:, head]) @ (keys @ to_key[:, head]).T / np.sqrt(to_query.shape[2])
        result = result + softmax(scores) @ (keys @ to_value[:, head]) @ out[head]
    return result


def block(layer, tokens, context=None):
    normal = layer_norm(layer.norm, tokens)
    seen = normal if context is None else layer_norm(layer.context_norm, context)
    tokens = tokens + attend(layer.attention, normal, seen)
    hidden = gelu(affine(layer.expand, layer_norm(layer.feed_forward_norm, tokens)))
    return tokens + affine(layer.contract, hidden)


def projected(layer, joined):
    return affine(layer.projection, layer_norm(layer.norm, np.array(joined)))


def joined(tokens, but=None):
    return np.concatenate([value for name, value in tokens.items() if name != but])


@pytest.mark.parametrize("query", [None, "image"])
def test_cross_attention(query):
    inputs = three_modalities()
    layer = prepared(CrossAttention, inputs, query=query)
    asking = query or "text"
    expected = []
    for tokens in rows_of(layer, inputs):
        state = tokens[asking]
        for one in layer.blocks:
            state = block(one, state, joined(tokens, but=asking))
        expected.append(state.mean(axis=0))
    check(layer, inputs, projected(layer, expected))


@pytest.mark.parametrize("names", [("text", "image"), ("text", "image", "numbers")])
def test_co_attention(names):
    inputs = {name: parts for name, parts in three_modalities().items() if name in names}
    layer = prepared(CoAttention, inputs)
    expected = []
    for tokens in rows_of(layer, inputs):
        for i in range(2):
            tokens = {
                name: block(layer.blocks[f"{name}_{i}"], x, joined(tokens, but=name)) for name, x in tokens.items()
            }
        expected.append(np.concatenate([x.mean(axis=0) for x in tokens.values()]))
    check(layer, inputs, projected(layer, expected))


def test_token_transformer():
    inputs = three_modalities()
    layer = prepared(TokenTransformer, inputs)
    expected = []
    for tokens in rows_of(layer, inputs):
        state = np.concatenate([np.array(layer.first), joined(tokens)])
        for one in layer.blocks:
            state = block(one, state)
        expected.append(state[0])
    check(layer, inputs, projected(layer, expected))


def test_token_transformer_sums_tokens_of_the_same_time():
    inputs = three_modalities()
    inputs["text"]["mask"] = np.array([[True, True, False, False], [False, False, True, True]])
    layer = prepared(TokenTransformer, inputs, aligned=("image", "text"))
    words = affine(layer.inputs["text"], inputs["text"]["sequence"]) + np.array(layer.positions["text"])
    cells = affine(layer.inputs["image"], inputs["image"]["sequence"]) + np.array(layer.positions["image"])
    expected = []
    for row, tokens in enumerate(rows_of(layer, inputs)):
        # The word in the middle of each of six parts of the time; padding adds nothing.
        spoken = np.where(inputs["text"]["mask"][row][:, None], words[row], 0)[[0, 1, 1, 2, 3, 3]]
        state = np.concatenate([np.array(layer.first), cells[row] + spoken, tokens["numbers"]])
        for one in layer.blocks:
            state = block(one, state)
        expected.append(state[0])
    check(layer, inputs, projected(layer, expected))


def test_token_transformer_takes_a_pooled_vector_as_one_token():
    inputs = three_modalities()
    layer = prepared(TokenTransformer, inputs, pooled=("text",))
    sentence = affine(layer.inputs["text"], inputs["text"]["pooled"]) + np.array(layer.positions["text"])
    expected = []
    for row, tokens in enumerate(rows_of(layer, {name: inputs[name] for name in ("image", "numbers")})):
        state = np.concatenate([np.array(layer.first), joined(tokens), sentence[row : row + 1]])
        for one in layer.blocks:
            state = block(one, state)
        expected.append(state[0])
    check(layer, inputs, projected(layer, expected))


@pytest.mark.parametrize(("name", "places"), [("image", slice(0, 6)), ("numbers", slice(6, 7))])
def test_token_transformer_read_at_every_token_of_a_modality(name, places):
    inputs = three_modalities()
    layer = prepared(TokenTransformer, inputs, read_at=name)
    expected = []
    for tokens in rows_of(layer, inputs):
        state = joined(tokens)
        for one in layer.blocks:
            state = block(one, state)
        expected.append(state[places])
    check(layer, inputs, projected(layer, expected))


def test_bottleneck():
    inputs = three_modalities()
    layer = prepared(
        BottleneckFusion, inputs, num_bottlenecks=2, num_layers=3
    )  # the scale of B counts from the third on
    expected = []
    for tokens in rows_of(layer, inputs):
        shared = np.array(layer.shared)
        own = {name: np.concatenate([np.array(layer.first[name]), x]) for name, x in tokens.items()}
        for i in range(3):
            after = {name: block(layer.blocks[f"{name}_{i}"], np.concatenate([shared, x])) for name, x in own.items()}
            shared = np.mean([x[:2] for x in after.values()], axis=0)
            own = {name: x[2:] for name, x in after.items()}
        expected.append(np.mean([x[0] for x in own.values()], axis=0))
    check(layer, inputs, projected(layer, expected))


def test_perceiver():
    inputs = three_modalities()
    layer = prepared(PerceiverFusion, inputs, num_latents=3)
    expected = []
    for tokens in rows_of(layer, inputs):
        latents = np.array(layer.latent_tokens)
        for cross, own in zip(layer.cross, layer.own, strict=True):
            latents = block(own, block(cross, latents, joined(tokens)))
        expected.append(latents.mean(axis=0))
    check(layer, inputs, projected(layer, expected))


@pytest.mark.parametrize("query", ["text", "image"])
def test_stacked_attention(query):
    inputs = three_modalities()
    layer = StackedAttention(5, num_hops=2, hidden_dim=3, query=query)
    layer(inputs)
    randomize(layer)
    expected = []
    for row in range(2):
        state = affine(layer.question, inputs[query]["pooled"][row])
        cells = np.concatenate(
            [
                np.tanh(affine(layer.inputs[name], parts["sequence"][row][mask_of(parts)[row]]))
                for name, parts in sorted(inputs.items())
                if name != query
            ]
        )
        for keys, queries, scores in zip(layer.keys, layer.queries, layer.scores, strict=True):
            hidden = np.tanh(affine(keys, cells) + affine(queries, state))
            state = state + softmax(affine(scores, hidden)[:, 0]) @ cells
        expected.append(state)
    check(layer, inputs, expected)


@pytest.mark.parametrize("query", ["text", "image"])
def test_memory(query):
    inputs = three_modalities()
    layer = MemoryFusion(5, num_hops=2, hidden_dim=3, query=query)
    layer(inputs)
    randomize(layer, scale=0.7)
    seen = {name: parts for name, parts in sorted(inputs.items()) if name != query}
    expected = []
    for row in range(2):
        tokens = {name: parts["sequence"][row][mask_of(parts)[row]] for name, parts in seen.items()}
        keys = np.concatenate([affine(layer.keys[name], x) for name, x in tokens.items()])
        values = np.concatenate([affine(layer.values[name], x) for name, x in tokens.items()])
        memory = affine(layer.question, inputs[query]["pooled"][row])
        for i in range(2):
            scores = affine(layer.score, relu(keys + affine(layer.queries[i], memory)))
            found = softmax(scores[:, 0]) @ values
            thought = np.concatenate([found * (1 + affine(layer.gates[i], memory)), found, memory])
            memory = layer_norm(layer.norms[i], memory + relu(affine(layer.updates[i], thought)))
        expected.append(memory)
    check(layer, inputs, expected)


@pytest.mark.parametrize("count", [False, True])
def test_mac(count):
    inputs = {name: parts for name, parts in three_modalities().items() if name != "image"}
    grid = np.random.default_rng(3).normal(size=(2, 2, 3, 4)).astype("float32")
    inputs["image"] = {"grid": grid, "sequence": grid.reshape(2, 6, 4)}
    layer = MACFusion(5, num_steps=3, count=count)
    layer(inputs)
    randomize(layer, scale=0.7)
    seen = {name: parts for name, parts in sorted(inputs.items()) if name != "text"}
    # Row and column of the image's cells; tokens of the other modality have no position.
    cells = np.array([(row, column) for row in (-1.0, 1.0) for column in (-1.0, 0.0, 1.0)])

    def sides(offset):
        return 1 / (1 + np.exp(-8 * np.concatenate([offset, -offset], axis=-1)))

    expected = []
    for row in range(2):
        kept = {name: mask_of(parts)[row] for name, parts in seen.items()}
        tokens = {name: parts["sequence"][row][kept[name]] for name, parts in seen.items()}
        places = {name: cells if name == "image" else np.zeros((len(kept[name]), 2)) for name in seen}
        z = np.concatenate([places[name][kept[name]] for name in seen])
        keys = np.concatenate([affine(layer.keys[name], x) for name, x in tokens.items()])
        values = np.concatenate([affine(layer.values[name], x) for name, x in tokens.items()])
        words = inputs["text"]["sequence"][row][mask_of(inputs["text"])[row]]
        question = affine(layer.question, words.mean(axis=0))
        control, memory, last = question, np.zeros(5), None
        for i in range(3):
            wanted = affine(layer.controls[i], np.concatenate([question, control]))
            scores = affine(layer.word_score, np.tanh(affine(layer.word_keys, words) + wanted))
            control = softmax(scores[:, 0]) @ affine(layer.word_values, words)
            weights = affine(layer.sides[i], control)
            scores = keys @ affine(layer.reads[i], np.concatenate([control, memory])) / np.sqrt(5)
            if last is not None:
                scores = scores + 4 * sides(z - last) @ weights
            place = softmax(scores) @ z
            moved = np.zeros(2) if last is None else place - last
            found = softmax(scores) @ values
            thought = [found * (1 + affine(layer.gates[i], control)), found, memory]
            thought += [sides(moved), sides(moved) * weights, place, moved]
            if count:
                match = 1 / (1 + np.exp(2 - scores))
                thought.append([match.sum() / 4, match.max(), np.log(np.exp(scores).sum()) / 4])
            memory = layer_norm(layer.norms[i], memory + relu(affine(layer.updates[i], np.concatenate(thought))))
            last = place
        expected.append(affine(layer.projection, np.concatenate([memory, question])))
    check(layer, inputs, expected)


@pytest.mark.parametrize("fusion", [CoAttention, PerceiverFusion])
def test_a_missing_sequence_is_one_learned_token(fusion):
    inputs = three_modalities()
    present = {"text": np.array([True, False])}
    layer = fusion(**{**SETTINGS, "num_layers": 1})
    layer(inputs, present=present)
    randomize(layer)
    out = np.array(layer(inputs, present=present))
    text = inputs["text"]
    text["sequence"][1] = np.array(layer.missing["text"])
    text["mask"][1] = [True, False, False, False]
    check(layer, inputs, out)
    assert np.ptp(out) > 0.1


def test_what_it_cannot_be_built_for():
    inputs = three_modalities()
    with pytest.raises(ValueError, match="width of 5 cannot be shared out among 2 heads"):
        TokenTransformer(5, num_heads=2)(inputs)
    with pytest.raises(ValueError, match="needs two modalities that attend to each other"):
        CoAttention(4)({"text": inputs["text"]})
    with pytest.raises(
        ValueError, match=r"aligned must name some of \['image', 'numbers', 'text'\], not \['sound'\]"
    ):
        TokenTransformer(4, aligned=("image", "sound"))(inputs)
    with pytest.raises(ValueError, match=r"pooled must name some of .*, not \['sound'\]"):
        TokenTransformer(4, pooled=("sound",))(inputs)
    with pytest.raises(ValueError, match=r"read_at must be one of \['image', 'numbers'\], not 'text'"):
        TokenTransformer(4, aligned=("image", "text"), read_at="text")(inputs)
    endless = {"text": {"sequence": keras.Input((None, 3))}}
    with pytest.raises(ValueError, match="the sequence of 'text' must have a fixed length"):
        TokenTransformer(4)(endless)
