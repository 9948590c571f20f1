"""Every decoder against its equations in NumPy."""

import math

import numpy as np
import pytest
from toy_decoders import IDS, LENGTH, ROWS, UNITS, built, context_of, make, numbers

from kerasfusion.decoders import TransformerDecoder


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def dense(layer, x, activation=lambda y: y):
    bias = numbers(layer.bias) if layer.use_bias else 0
    return activation(x @ numbers(layer.kernel).astype("float64") + bias)


def lstm(cell, x, h, c):
    z = x @ numbers(cell.kernel) + h @ numbers(cell.recurrent_kernel) + numbers(cell.bias)
    i, f, new, o = np.split(z, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(new)
    return sigmoid(o) * np.tanh(c), c


def gru(cell, x, h):
    own = np.split(x @ numbers(cell.kernel) + numbers(cell.bias)[0], 3, axis=-1)
    before = np.split(h @ numbers(cell.recurrent_kernel) + numbers(cell.bias)[1], 3, axis=-1)
    z, r = sigmoid(own[0] + before[0]), sigmoid(own[1] + before[1])
    return z * h + (1 - z) * np.tanh(own[2] + r * before[2])


def words_of(decoder):
    return numbers(decoder.embedding.embeddings).astype("float64")[IDS]


def compare(decoder, expected):
    found = numbers(decoder(context_of(), IDS))
    np.testing.assert_allclose(found, np.stack(expected, axis=1), atol=1e-5)
    assert np.ptp(found) > 0.1


def pooled_of(decoder):
    """The context's vector, normalized by means and variances that are not those it begins with."""
    random, norm = np.random.default_rng(7), decoder.norm
    for weight in norm.weights:
        weight.assign(random.uniform(0.3, 1.5, weight.shape))
    gamma, beta, mean, variance = (
        numbers(w) for w in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    )
    return (context_of()["pooled"] - mean) / np.sqrt(variance + 1e-3) * gamma + beta


def fresh(kind):
    """A decoder of one's own, whose weights may be changed."""
    decoder = make(kind)
    decoder(context_of(), IDS)
    return decoder


def test_lstm():
    decoder = fresh("lstm")
    cell, zeros, expected = decoder.recurrent.cell, np.zeros((ROWS, UNITS)), []
    h, c = lstm(cell, dense(decoder.first, pooled_of(decoder)), zeros, zeros)
    for word in np.moveaxis(words_of(decoder), 1, 0):
        h, c = lstm(cell, word * math.sqrt(UNITS), h, c)
        expected.append(word + dense(decoder.from_state, h))
    compare(decoder, expected)


def test_gru():
    decoder = fresh("gru")
    h, expected = gru(decoder.recurrent.cell, dense(decoder.first, pooled_of(decoder)), np.zeros((3, UNITS))), []
    for word in np.moveaxis(words_of(decoder), 1, 0):
        h = gru(decoder.recurrent.cell, word * math.sqrt(UNITS), h)
        expected.append(word + dense(decoder.from_state, h))
    compare(decoder, expected)


@pytest.mark.parametrize("kind", ["attention_lstm", "gru", "lstm"])
def test_what_all_images_share_does_not_hide_what_differs(kind):
    """A vector that is the same for all but for a hundredth gives as different outputs as the differences alone."""
    decoder, context, ids = fresh(kind), context_of(), np.repeat(IDS[:1], 3, axis=0)
    differs = context["pooled"] - context["pooled"].mean(axis=0)
    found = []
    for pooled in (differs, 100 + differs):
        out = decoder({**context, "pooled": pooled.astype("float32")}, ids, training=True)
        found.append(numbers(out).std(axis=0).mean())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-2)
    assert found[0] > 0.005


def test_attend():
    decoder = fresh("attention_lstm")
    pooled = pooled_of(decoder)
    context, expected, looked_at = context_of(), [], []
    keys, values = (dense(layer, context["sequence"]) for layer in (decoder.keys, decoder.values))
    h, c = (dense(start, pooled, np.tanh) for start in decoder.start)
    for word in np.moveaxis(words_of(decoder), 1, 0):
        scores = (dense(decoder.queries, h)[:, None] * keys).sum(axis=-1) / math.sqrt(UNITS)
        weights = softmax(np.where(context["mask"], scores, -np.inf))
        seen = dense(decoder.gate, h, sigmoid) * (weights[..., None] * values).sum(axis=1)
        h, c = lstm(decoder.cell, np.concatenate([word * math.sqrt(UNITS), seen], axis=-1), h, c)
        expected.append(word + dense(decoder.from_state, h) + dense(decoder.from_seen, seen))
        looked_at.append(weights)
    compare(decoder, expected)
    np.testing.assert_allclose(numbers(decoder.attention(context, IDS)), np.stack(looked_at, axis=1), atol=1e-5)


def norm(layer, x):
    mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * numbers(layer.gamma) + numbers(layer.beta)


def look(query, key, value, allowed, heads):
    """Attention head by head, and its weights."""
    parts = [np.split(part, heads, axis=-1) for part in (query, key, value)]
    weights = [
        softmax(np.where(allowed, q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]), -np.inf))
        for q, k in zip(*parts[:2], strict=True)
    ]
    found = [weight @ v for weight, v in zip(weights, parts[2], strict=True)]
    return np.concatenate(found, axis=-1), np.mean(weights, axis=0)


def test_transformer():
    decoder, _ = built("transformer")
    context = context_of()
    x = words_of(decoder) + numbers(decoder.positions)
    earlier, cells = np.tril(np.ones((LENGTH, LENGTH), bool)), context["mask"][:, None]
    for block in decoder.blocks:
        own = np.split(dense(block.words_in, norm(block.norms[0], x)), 3, axis=-1)
        x = x + dense(block.words_out, look(*own, earlier, heads=2)[0])
        query = dense(block.context_query, norm(block.norms[1], x))
        memory = np.split(dense(block.context_in, context["sequence"]), 2, axis=-1)
        seen, weights = look(query, *memory, cells, heads=2)
        x = x + dense(block.context_out, seen)
        x = x + dense(block.contract, dense(block.expand, norm(block.norms[2], x), gelu))
    np.testing.assert_allclose(numbers(decoder(context, IDS)), norm(decoder.norm, x), atol=1e-4)
    np.testing.assert_allclose(numbers(decoder.attention(context, IDS)), weights, atol=1e-5)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="a width of 10 cannot be shared out among 4 heads"):
        TransformerDecoder(9, 10)
