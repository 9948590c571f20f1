"""Text generation: greedy search, sampling and beam search."""

import keras
from keras import ops

from kerasfusion.masking import MASKED_LOGIT

PAD, UNKNOWN, START, END = range(4)


def sample(decoder, head, context, prompt=None, length=None, choose=None):
    """Generate one text per context, token by token.

    Args:
        decoder: A built `Decoder`.
        head: A built `CaptionHead`.
        context: dict, the decoder's context.
        prompt: Optional int32 `(B, P)`, the first tokens of the text, followed by padding (0).
        length: Optional int, maximum number of tokens. Defaults to the length in training.
        choose: Optional function that takes log-probabilities float32 `(B, V)`, very low for excluded tokens, and the
            position, an int32 scalar, and returns the next token ids int32 `(B,)`. Defaults to the most likely token
            (greedy search).

    Returns:
        tuple: ids int32 `(B, length + 1)`, including the end token and followed by padding (0); and float32 `(B,)`,
            the
        sum of the log-probabilities of the generated tokens and the end token, as computed by `score`. The tokens of
        the prompt do not contribute.

    Raises:
        ValueError: if `length` exceeds the length in training.
    """
    choose = choose or (lambda scores, place: ops.cast(ops.argmax(scores, axis=-1), "int32"))
    most = _most(decoder, length)
    memory = decoder.remember(context)
    batch = ops.shape(context["pooled"])[0]
    forced = _forced(prompt, batch, most)
    places = ops.arange(most + 1)

    def more(place, word, told, total, done, state):
        return ops.logical_and(place <= most, ops.logical_not(ops.all(done)))

    def say(place, word, told, total, done, state):
        hidden, state = decoder.next(memory, state, word[:, None], place)
        scores = _log_probabilities(head, hidden[:, 0], place, most)
        given = ops.take(forced, place, axis=1)
        word = ops.where(given > 0, given, choose(scores, place))
        gain = ops.take_along_axis(scores, word[:, None], axis=1)[:, 0]
        total = total + ops.where(ops.logical_or(done, given > 0), 0.0, gain)
        word = ops.where(done, PAD, word)
        told = ops.where(places == place, word[:, None], told)
        return place + 1, word, told, total, ops.logical_or(done, word == END), state

    start = (
        ops.convert_to_tensor(0, "int32"),
        ops.full((batch,), START, "int32"),
        ops.zeros((batch, most + 1), "int32"),
        ops.zeros((batch,), "float32"),
        ops.zeros((batch,), "bool"),
        decoder.begin(memory, 1),
    )
    _, _, told, total, _, _ = ops.while_loop(more, say, start)
    return told, total


def beam_search(decoder, head, context, prompt=None, length=None, beams=3, length_penalty=0.7):
    """Generate one text per context by beam search.

    At each step, every text is extended by every token and the `beams` most likely texts are kept; finished texts
    stay unchanged. The result maximizes `log P / ((5 + tokens) / 6)^length_penalty` (arXiv 1609.08144).

    Args:
        decoder: A built `Decoder`.
        head: A built `CaptionHead`.
        context: dict, the decoder's context.
        prompt: See `sample`.
        length: See `sample`.
        beams: int, number of texts kept; 1 is greedy search. Defaults to 3.
        length_penalty: float; 0 compares texts by their probability, which favors short ones. Defaults to 0.7.

    Returns:
        tuple: See `sample`.
    """
    most = _most(decoder, length)
    memory = decoder.remember(context)
    batch = ops.shape(context["pooled"])[0]
    forced = _forced(prompt, batch, most)
    places = ops.arange(most + 1)
    size = decoder.vocabulary_size
    # An ended text goes on with padding alone.
    ended = ops.where(ops.arange(size) == PAD, 0.0, MASKED_LOGIT)
    first_row = ops.arange(batch)[:, None] * beams

    def more(place, word, told, total, done, state):
        return ops.logical_and(place <= most, ops.logical_not(ops.all(done)))

    def say(place, word, told, total, done, state):
        hidden, state = decoder.next(memory, state, word, place)
        scores = _log_probabilities(head, hidden, place, most)
        given = ops.take(forced, place, axis=1)[:, None, None]
        only = ops.where(ops.arange(size) == given, 0.0, MASKED_LOGIT)
        scores = ops.where(given > 0, only, ops.where(done[..., None], ended, scores))
        total, best = ops.top_k(ops.reshape(total[..., None] + scores, (-1, beams * size)), beams)
        best = ops.cast(best, "int32")
        rows = ops.reshape(first_row + best // size, (-1,))
        word = best % size

        def kept(part):
            flat = ops.reshape(part, (-1, *part.shape[2:]))
            return ops.reshape(ops.take(flat, rows, axis=0), (-1, beams, *part.shape[2:]))

        done = ops.logical_or(kept(done), word == END)
        told = ops.where(places == place, word[..., None], kept(told))
        return place + 1, word, told, total, done, keras.tree.map_structure(kept, state)

    start = (
        ops.convert_to_tensor(0, "int32"),
        ops.full((batch, beams), START, "int32"),
        ops.zeros((batch, beams, most + 1), "int32"),
        # All beams are equal at first: the others wait until the first has found different words for them.
        ops.zeros((batch, beams), "float32") + ops.where(ops.arange(beams) == 0, 0.0, MASKED_LOGIT),
        ops.zeros((batch, beams), "bool"),
        decoder.begin(memory, beams),
    )
    _, _, told, total, _, _ = ops.while_loop(more, say, start)
    words = ops.sum(ops.cast(ops.logical_and(told != PAD, told != END), "float32"), axis=-1)
    best = ops.argmax(total / ((5.0 + words) / 6.0) ** length_penalty, axis=1)[:, None]
    told = ops.take_along_axis(told, best[..., None], axis=1)[:, 0]
    return told, ops.take_along_axis(total, best, axis=1)[:, 0]


def score_tokens(decoder, head, context, ids):
    """Log-probability of every token of given texts, computed in a loop as small as those of generation.

    Args:
        decoder: A built `Decoder`.
        head: A built `CaptionHead`.
        context: dict, the decoder's context.
        ids: int32 `(B, T)`: the start token, the tokens, optionally the end token, then padding (0).

    Returns:
        float32 `(B, T)`: at each position the log-probability of the following id, 0 if there is none.
    """
    memory, length = decoder.remember(context), ids.shape[1]
    following = ops.pad(ids[:, 1:], ((0, 0), (0, 1)))
    places = ops.arange(length)

    def step(place, found, state):
        hidden, state = decoder.next(memory, state, ops.take(ids, place, axis=1)[:, None], place)
        scores = ops.log_softmax(head(hidden[:, 0]), axis=-1)
        gain = ops.take_along_axis(scores, ops.take(following, place, axis=1)[:, None], axis=1)
        return place + 1, ops.where(places == place, gain, found), state

    start = ops.convert_to_tensor(0, "int32"), ops.zeros(ops.shape(ids), "float32"), decoder.begin(memory, 1)
    _, found, _ = ops.while_loop(lambda place, *_: place < length, step, start)
    return ops.where(following > 0, found, 0.0)


def _most(decoder, length):
    most = decoder.length - 1
    if length is not None and not 1 <= length <= most:
        raise ValueError(f"length must be from 1 to {most}, the words of a caption in training, not {length}.")
    return length or most


def _forced(prompt, batch, most):
    """The prompt as int32 `(B, most + 1)`, 0 where the token is generated."""
    if prompt is None:
        return ops.zeros((batch, most + 1), "int32")
    prompt = ops.cast(prompt, "int32")[:, :most]
    return ops.pad(prompt, ((0, 0), (0, most + 1 - prompt.shape[1])))


def _log_probabilities(head, hidden, place, most):
    """Log-probabilities of the next token, float32 `(…, V)`, restricted to words; the end token closes the text.

    The text has at least one word and ends at the last position. The probabilities are not renormalized over the
    allowed tokens, as in `score`: a model trained with unknown words assigns some probability to them.
    """
    ids = ops.arange(head.outputs)
    words = ops.logical_or(ids > END, ops.logical_and(ids == END, place > 0))
    allowed = ops.where(place == most, ids == END, words)
    return ops.where(allowed, ops.log_softmax(head(hidden), axis=-1), MASKED_LOGIT)
