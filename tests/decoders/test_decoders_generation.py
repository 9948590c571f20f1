"""Words made one after the other, against plain Python on the same weights."""

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf
from toy_decoders import IDS, LENGTH, ROWS, WORDS, built, context_of, numbers

from kerasfusion.decoders import DECODERS, beam_search, sample, score_tokens

START, END = 2, 3
MOST = LENGTH - 1
KINDS = pytest.mark.parametrize("kind", sorted(DECODERS))
# Every search with every decoder takes long: of each sort of state one is tried with the other tests.
FEW = pytest.mark.parametrize(
    "kind",
    ["lstm", "transformer", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("attention_lstm", "gru"))],
)


def log_softmax(x):
    x = np.asarray(x, "float64") - np.max(x, axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


class Plain:
    """One context's decoder in Python: the whole text is read again for each word."""

    def __init__(self, kind, row, words=WORDS, scale=1.0):
        self.decoder, self.head = built(kind, words, scale)
        self.context = {name: value[row : row + 1] for name, value in context_of().items()}
        self.known = {}

    def next(self, told, most):
        """Word -> its log-probability, for those that may come next."""
        if (tuple(told), most) not in self.known:
            self.known[tuple(told), most] = self._next(told, most)
        return self.known[tuple(told), most]

    def _next(self, told, most):
        ids = np.zeros((1, LENGTH), "int32")
        ids[0, : len(told) + 1] = [START, *told]
        logits = numbers(self.head(self.decoder(self.context, ids)))[0, len(told)].astype("float64")
        scores = log_softmax(logits)
        allowed = [END] if len(told) == most else range(END + (not told), len(scores))
        return {word: scores[word] for word in allowed}

    def greedy(self, most=MOST, prompt=()):
        told, total = [], 0.0
        while not told or told[-1] != END:
            if len(told) < len(prompt):
                told.append(prompt[len(told)])
                continue
            scores = self.next(told, most)
            word = max(scores, key=scores.get)
            told, total = [*told, word], total + scores[word]
        return told, total

    def beam(self, beams, penalty, most=MOST, prompt=()):
        kept = [([], 0.0)]
        for place in range(most + 1):
            candidates = []
            for told, total in kept:
                if told and told[-1] == END:
                    candidates.append((told, total))
                elif place < len(prompt):
                    candidates.append(([*told, prompt[place]], total))
                else:
                    found = self.next(told, most).items()
                    candidates += [([*told, word], total + gain) for word, gain in found]
            kept = sorted(candidates, key=lambda pair: -pair[1])[:beams]
        return max(kept, key=lambda pair: pair[1] / ((5 + len(pair[0]) - 1) / 6) ** penalty)


@functools.cache
def rows(kind, scale=1.0):
    return [Plain(kind, row, scale=scale) for row in range(ROWS)]


def check(answer, plain, most=MOST):
    """What a search gave for every row is what plain Python gives for each."""
    told, total = (np.asarray(part) for part in answer)
    assert told.shape == (ROWS, most + 1) and told.dtype == np.int32
    expected = [ids + [0] * (most + 1 - len(ids)) for ids, _ in plain]
    assert told.tolist() == expected
    np.testing.assert_allclose(total, [total for _, total in plain], atol=1e-4)


@FEW
def test_greedy_search(kind):
    decoder, head = built(kind, scale=8.0)
    expected = [one.greedy() for one in rows(kind, 8.0)]
    check(sample(decoder, head, context_of()), expected)
    check(beam_search(decoder, head, context_of(), beams=1), expected)


@FEW
def test_beam_search(kind):
    decoder, head = built(kind, scale=8.0)
    check(beam_search(decoder, head, context_of(), beams=3), [one.beam(3, 0.7) for one in rows(kind, 8.0)])


def test_a_penalty_favors_long_texts():
    decoder, head = built("gru")
    texts = {}
    for penalty in (0.0, 3.0):
        found = beam_search(decoder, head, context_of(), length_penalty=penalty)
        check(found, [one.beam(3, penalty) for one in rows("gru")])
        texts[penalty] = (found[0].numpy() > 0).sum(axis=1)
    assert (texts[3.0] >= texts[0.0]).all() and (texts[3.0] > texts[0.0]).any()


def test_a_prompt_begins_the_text_and_costs_nothing():
    decoder, head = built("gru", scale=8.0)
    prompts = np.array([[7, 5, 0], [1, 0, 0], [9, 4, 4]], "int32")
    given = [[word for word in prompt if word] for prompt in prompts.tolist()]
    plain = list(zip(rows("gru", 8.0), given, strict=True))
    check(sample(decoder, head, context_of(), prompts, length=3), [one.greedy(3, words) for one, words in plain], 3)
    found = beam_search(decoder, head, context_of(), prompts, length=3, beams=4)
    check(found, [one.beam(4, 0.7, 3, words) for one, words in plain], 3)
    # Of a long one the end is cut.
    told, _ = sample(decoder, head, context_of(), prompts, length=2)
    assert told.numpy()[2].tolist() == [9, 4, END]


def test_beams_that_hold_everything_find_the_best_of_all():
    """Two words, texts of up to three: 14 in all."""
    decoder, head = built("gru", words=6, scale=3.0)
    expected = []
    for row in range(ROWS):
        plain, best = Plain("gru", row, words=6, scale=3.0), []
        for count in (1, 2, 3):
            for words in itertools.product((4, 5), repeat=count):
                told = [*words, END]
                total = sum(plain.next(told[:i], 3)[word] for i, word in enumerate(told))
                best.append((total / ((5 + count) / 6) ** 0.7, told, total))
        assert len(best) == 14
        expected.append(max(best)[1:])
    # More beams than there are texts: those that are left over hold nothing.
    check(beam_search(decoder, head, context_of(), length=3, beams=20), expected, 3)


def test_in_a_graph_with_any_batch_size():
    decoder, head = built("gru", scale=8.0)
    specs = {name: tf.TensorSpec((None, *value.shape[1:]), value.dtype) for name, value in context_of().items()}
    searches = tf.function(
        lambda context: (sample(decoder, head, context), beam_search(decoder, head, context, beams=3)),
        input_signature=[specs],
    )
    context = {name: tf.constant(value) for name, value in context_of().items()}
    for found, search in zip(searches(context), (sample, beam_search), strict=True):
        told, total = search(decoder, head, context_of())
        np.testing.assert_array_equal(found[0], told)
        np.testing.assert_allclose(found[1], total, atol=1e-4)


def test_words_may_be_chosen_otherwise_and_nothing_is_done_after_the_last_end():
    decoder, head = built("lstm")
    asked = []

    def choose(scores, place):
        asked.append((int(place), numbers(scores)))
        return tf.constant([[5, 6, 7], [3, 9, 8], [4, 3, 3]][int(place)])

    told, total = sample(decoder, head, context_of(), choose=choose)
    assert told.numpy().tolist() == [[5, 3, 0, 0, 0], [6, 9, 3, 0, 0], [7, 8, 3, 0, 0]]
    assert [place for place, _ in asked] == [0, 1, 2]
    scores = [found for _, found in asked]
    # Never the tokens that are no words, and no end before the first word.
    assert (scores[0][:, :4] < -1e8).all() and (scores[1][:, :3] < -1e8).all()
    assert (np.exp(scores[1]).sum(axis=-1) < 1).all()
    words = [[5, 3], [6, 9, 3], [7, 8, 3]]
    expected = [sum(scores[place][row, word] for place, word in enumerate(said)) for row, said in enumerate(words)]
    np.testing.assert_allclose(total, expected, rtol=1e-5)


@KINDS
def test_score(kind):
    decoder, head = built(kind)
    ids = IDS.copy()
    ids[2, 3] = END
    found = numbers(score_tokens(decoder, head, context_of(), ids))
    scores = log_softmax(numbers(head(decoder(context_of(), ids))))
    expected = np.zeros((ROWS, LENGTH))
    for row, place in np.argwhere(ids[:, 1:]):
        expected[row, place] = scores[row, place, ids[row, place + 1]]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (expected != 0).sum() == 4 + 3 + 3


@pytest.mark.parametrize("search", [sample, beam_search])
@pytest.mark.parametrize("prompt", [None, [[7, 5], [1, 0], [9, 0]]])
def test_the_log_probability_of_a_text_is_its_score(search, prompt):
    decoder, head = built("gru", scale=8.0)
    unknown = np.zeros(WORDS, "float32")
    unknown[1] = 5.0  # the likeliest of all, as where rare words were targets
    before = head.dense.bias.numpy()
    head.dense.bias.assign(unknown)
    try:
        told, total = search(decoder, head, context_of(), None if prompt is None else np.array(prompt, "int32"))
        ids = np.concatenate([np.full((ROWS, 1), START), told], axis=1)
        gains = numbers(score_tokens(decoder, head, context_of(), ids))[:, :-1]
    finally:
        head.dense.bias.assign(before)
    given = np.zeros(ROWS) if prompt is None else np.count_nonzero(prompt, axis=1)
    made = np.arange(LENGTH) >= given[:, None]
    np.testing.assert_allclose(total, (gains * made).sum(axis=1), atol=1e-4)
    assert 1 not in told.numpy()[made]


def test_one_word_at_most_and_lengths_that_are_not():
    decoder, head = built("gru")
    check(sample(decoder, head, context_of(), length=1), [one.greedy(1) for one in rows("gru")], 1)
    check(beam_search(decoder, head, context_of(), length=1), [one.beam(3, 0.7, 1) for one in rows("gru")], 1)
    for length in (0, LENGTH, -1):
        for search in (sample, beam_search):
            with pytest.raises(ValueError, match=f"length must be from 1 to 4, .* not {length}"):
                search(decoder, head, context_of(), length=length)
