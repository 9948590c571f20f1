"""Words of Chinese texts, segmented by jieba (the extra `[chinese]`) to learn a vocabulary and never after."""

import collections
import logging
import warnings

from kerasfusion.preprocessing.longest_match import LongestMatch
from kerasfusion.preprocessing.text import learn_vocabulary, tokenize

# A word of one text alone is a name or a slip of the segmentation: its parts are known better.
MIN_COUNT = 2


def require_jieba():
    """Import jieba without what it logs and warns of.

    Raises:
        ImportError: It is not installed.
    """
    try:
        with warnings.catch_warnings():
            # Its escapes and its use of pkg_resources are deprecated.
            warnings.simplefilter("ignore")
            import jieba
    except ImportError:
        raise ImportError(
            "Chinese texts are segmented into words by jieba: pip install 'kerasfusion[chinese]'. Tokens that are "
            "single characters (tokenizer='words') need nothing more."
        ) from None
    jieba.setLogLevel(logging.WARNING)
    return jieba


def learn_segmented_vocabulary(texts, max_tokens=10_000, segment=None):
    """Collect the most frequent words of Chinese texts, and count the words of each text.

    jieba proposes words; those that occur at least twice are kept. The texts are then split by `LongestMatch`, as a
    model's texts always will be, and its tokens are the vocabulary: words, and the characters between them.

    Args:
        texts: List of strings.
        max_tokens: int, maximum number of tokens. Defaults to `10_000`.
        segment: Function from a string to a list of words. Defaults to `jieba.lcut`.

    Returns:
        tuple: the vocabulary, a tuple of tokens (most frequent first), and the number of tokens per text, an int64
        array.

    Raises:
        ImportError: The extra `[chinese]` is not installed.

    Example:

    ```python
    vocabulary, lengths = kf.preprocessing.learn_segmented_vocabulary(["红色的圆", "红色的方块"])
    ```
    """
    texts, segment = list(texts), segment or require_jieba().lcut
    counts = collections.Counter(word for text in texts for word in segment(text))
    words = [word for word, count in counts.items() if count >= MIN_COUNT]
    vocabulary, _ = learn_vocabulary(texts, max_tokens, standardize=LongestMatch(words))
    # Words that the limit left out are split further.
    return vocabulary, tokenize(texts, LongestMatch(vocabulary)).row_lengths().numpy()
