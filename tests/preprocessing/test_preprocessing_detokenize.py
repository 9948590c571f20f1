"""How words are drawn, prompts read and ids made into text."""

import numpy as np
import tensorflow as tf

from kerasfusion.preprocessing.detokenize import Prompts, drawn, filter_scores, words_of
from kerasfusion.schema import Task

CHANCES = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
ROWS = 2000
# Temperature, top_k, top_p, and how often each word is to be drawn.
CASES = [
    (1.0, 0, 1.0, CHANCES),
    (0.5, 0, 1.0, CHANCES**2),
    (1.0, 3, 1.0, [0.4, 0.3, 0.15, 0, 0]),
    # What stands before the third word makes up 0.7, which is less than 0.8; before the fourth it is 0.85.
    (1.0, 0, 0.8, [0.4, 0.3, 0.15, 0, 0]),
    (1.0, 2, 0.8, [0.4, 0.3, 0, 0, 0]),
    # Of the best two the first makes up 0.571 and is enough; of all five it would not be.
    (1.0, 2, 0.5, [1, 0, 0, 0, 0]),
    # What Transformers 4.46.3 gives for temperature, then top_k, then top_p.
    (1.0, 3, 0.8, [0.5714, 0.4286, 0, 0, 0]),
    (0.5, 3, 0.9, [0.64, 0.36, 0, 0, 0]),
    (2.0, 4, 0.75, [0.4035, 0.3494, 0.2471, 0, 0]),
    (1.0, 4, 0.42, [1, 0, 0, 0, 0]),
    (1.0, 0, 0.0, [1, 0, 0, 0, 0]),
    (0.0, 0, 1.0, [1, 0, 0, 0, 0]),
    (1.0, 1, 1.0, [1, 0, 0, 0, 0]),
]


def test_words_are_drawn_as_often_as_they_are_likely():
    rows = ROWS * len(CASES)
    temperature, top_k, top_p = (np.repeat([case[i] for case in CASES], ROWS) for i in range(3))
    choose = tf.function(drawn(rows, temperature, top_k, top_p, tf.range(rows)))
    drawings = choose(tf.tile(tf.math.log(tf.constant([CHANCES], tf.float32)), (rows, 1)), tf.constant(2)).numpy()
    for said, (*settings, expected) in zip(drawings.reshape(-1, ROWS), CASES, strict=True):
        expected = np.array(expected) / np.sum(expected)
        # Four standard errors; a word that is left out is never drawn.
        error = 4 * np.sqrt(expected * (1 - expected) / ROWS)
        assert (np.abs(np.bincount(said, minlength=5) / ROWS - expected) <= error).all(), settings


def kept_words(scores, top_k, top_p):
    """Which words may be drawn, by definition: probabilities renormalized after each step."""
    order = np.argsort(-scores)[: top_k or None]
    shares = np.exp(scores[order]) / np.exp(scores[order]).sum()
    count = 1
    while count < len(order) and shares[:count].sum() < top_p:
        count += 1
    return sorted(order[:count])


def test_words_that_may_be_drawn_are_those_of_top_k_and_then_top_p():
    random = np.random.default_rng(0)
    scores = random.normal(size=(200, 12)).astype("float32")
    top_k, top_p = random.integers(0, 14, (200, 1)), random.uniform(0, 1, (200, 1))
    top_p[:20] = 1
    found = filter_scores(tf.constant(scores), tf.constant(top_k, tf.int32), tf.constant(top_p, tf.float32)).numpy()
    for row, *settings in zip(range(200), top_k[:, 0], top_p[:, 0], strict=True):
        assert np.flatnonzero(found[row] > -1e8).tolist() == kept_words(scores[row], *settings), settings
    np.testing.assert_array_equal(found[found > -1e8], scores[found > -1e8])


def test_a_top_p_of_one_leaves_every_word_in():
    # In float32 the first word already has all of the probability.
    scores = tf.constant([[0.0] + [-40.0] * 7])
    assert (filter_scores(scores, tf.constant([[0]]), tf.constant([[1.0]])) > -1e8).numpy().all()


def test_a_row_is_drawn_by_its_own_seed_and_place_alone():
    random = np.random.default_rng(0)
    scores = tf.constant(random.normal(size=(6, 50)), tf.float32)
    temperature, top_k = tf.constant([1, 1, 0, 1, 1, 1.0]), tf.constant([0, 0, 0, 1, 7, 0])
    seeds = tf.constant([3, 4, 5, 6, 7, 3])

    def draw(rows, place=1):
        pick = [tf.gather(part, rows) for part in (temperature, top_k, seeds, scores)]
        return drawn(len(rows), pick[0], pick[1], 1.0, pick[2])(pick[3], tf.constant(place)).numpy().tolist()

    whole = draw(range(6))
    assert draw([4, 0]) == [whole[4], whole[0]] and draw([5, 5]) == [whole[5]] * 2
    best = scores.numpy().argmax(axis=1)
    assert whole[2:4] == best[2:4].tolist()
    assert draw([0] * 6) == [whole[0]] * 6
    assert len({tuple(draw(range(6), place)) for place in range(4)}) == 4


TASK = Task("caption", "captioning", "said", vocabulary=("red", "cat", "红", "色"), length=6)


def test_ids_are_words():
    words = words_of(tf.constant([[4, 5, 3, 0], [1, 6, 2, 7]]), TASK)
    assert words.numpy().tolist() == [[b"red", b"cat", b"", b""], [b"", "红".encode(), b"", "色".encode()]]


def test_prompts():
    prompts = Prompts(TASK)
    given = tf.constant(["", "A  RED zebra!", "红色的", "red cat red cat red", "?!"])
    ids = prompts.ids(given)
    assert ids.dtype == tf.int32
    # As many words as a caption may have.
    assert ids.numpy().tolist() == [[0] * 4, [1, 4, 1, 0], [6, 7, 1, 0], [4, 5, 4, 5], [0] * 4]
    said = tf.constant([[4, 5, 3, 0, 0], [1, 4, 1, 5, 3], [6, 7, 1, 4, 3], [4, 5, 4, 5, 3], [5, 4, 5, 4, 3]])
    texts = [text.decode() for text in prompts.text(given, said).numpy()]
    # Words that are unknown stay as they were given.
    assert texts == ["red cat", "a red zebra cat", "红色的red", "red cat red cat", "cat red cat red"]
