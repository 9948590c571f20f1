import keras
import numpy as np
from keras import ops

from kerasfusion.encoders.hub import keras_hub

# Pieces kept of a word: more are rare, and the table of pieces is as wide for every word.
MOST_PIECES = 6


@keras.saving.register_keras_serializable("kerasfusion")
class KerasHubTextEncoder(keras.layers.Layer):
    """A pretrained WordPiece backbone of KerasHub such as BERT (arXiv 1810.04805), on the schema's vocabulary.

    When the encoder is created, the backbone's tokenizer splits every word of the vocabulary into subword tokens,
    which are stored as a table, a weight of the layer. Ids become subword tokens by a lookup in the model, so
    training, export and serving need neither the tokenizer nor its TensorFlow operations. Words outside the
    vocabulary become the backbone's unknown token (its own tokenizer would split them too), and there is no
    punctuation. A text keeps at most twice as many subword tokens as it has word positions.

    Args:
        vocabulary_size: int, number of token ids, including the four special ones.
        units: int, width `d` of the output.
        preset: str, name of a KerasHub preset, or a folder written by `save_to_preset` of a backbone and its
            tokenizer. Read when an encoder is created, never when one is loaded.
        fine_tune: str, `"none"` freezes the backbone and disables its dropout, `"all"` trains it. Defaults to
            `"none"`.
        vocabulary: sequence of str, the words of ids 4, 5, …; only their subword tokens are stored.
        backbone_config: Optional dict, from `get_config`; replaces the vocabulary when an encoder is loaded.

    Call arguments:
        ids: int32 `(B, L)`, 0 is padding.

    Returns:
        dict: `sequence` float `(B, L, d)`, a dense layer on the first subword token of each word, zero at padding;
        `pooled` float `(B, d)`, the same layer on the mean over all subword tokens; `mask` bool `(B, L)`, True at
        words.

    Raises:
        ImportError: if keras-hub is not installed.
        ValueError: an unknown `fine_tune`, no vocabulary, a backbone that does not take token ids and a mask, or an
            unsupported tokenizer.

    Example:

    ```python
    text = {"name": "keras_hub", "preset": "bert_tiny_en_uncased"}
    model = kf.models.fusion_model(data.schema, text_encoder=text, image_encoder="residual_cnn")
    ```
    """

    choices: tuple[str, ...] = ("none", "all")  # of fine_tune

    def __init__(
        self, vocabulary_size, units, preset, fine_tune="none", vocabulary=None, backbone_config=None, **kwargs
    ):
        super().__init__(**kwargs)
        if fine_tune not in self.choices:
            choices = " or ".join(map(repr, self.choices))
            raise ValueError(f"{self.name}: fine_tune must be {choices}, not {fine_tune!r}.")
        if vocabulary is None and backbone_config is None:
            raise ValueError(f"{self.name}: the vocabulary is needed, to cut its words into the backbone's pieces.")
        hub = keras_hub()
        self.vocabulary_size = vocabulary_size
        self.units = units
        self.preset = str(preset)
        self.fine_tune = fine_tune
        self._table = None
        if vocabulary is None:
            self.backbone = keras.saving.deserialize_keras_object(backbone_config["backbone"])
        else:
            self.backbone = self.read_backbone()
            self._table, ends = piece_table(hub.tokenizers.Tokenizer.from_preset(self.preset), vocabulary)
            if len(self._table) != vocabulary_size:
                raise ValueError(f"{self.name}: {len(vocabulary)} words for {vocabulary_size} token ids.")
            backbone_config = {"pieces": self._table.shape[1], "ends": ends}
        self.pieces, self.ends = backbone_config["pieces"], tuple(backbone_config["ends"])
        self.backbone.trainable = fine_tune == "all"
        if hasattr(self.backbone, "pooled_dense"):
            # It makes BERT's own pooled vector, which is not used: no gradient would reach it.
            self.backbone.pooled_dense.trainable = False
        self.projection = self.make_projection(backbone_config)

    def read_backbone(self):
        """Load the preset's network."""
        backbone = keras_hub().models.Backbone.from_preset(self.preset, dtype=self.dtype_policy)
        if not {"token_ids", "padding_mask"} <= set(backbone.input):
            raise ValueError(f"{self.name}: {self.preset} takes {sorted(backbone.input)}, which is no text encoder.")
        return backbone

    def make_projection(self, backbone_config):
        """Create the dense layer on top of the backbone."""
        return keras.layers.Dense(self.units, name="projection", dtype=self.dtype_policy)

    def build(self, ids_shape):
        self.table = self.add_weight(
            shape=(self.vocabulary_size, self.pieces),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            name="table",
        )
        if self._table is not None:
            self.table.assign(self._table)
            self._table = None
        self.projection.build((None, None, self.backbone.hidden_dim))

    def call(self, ids, training=None):
        length, limit = ids.shape[1], getattr(self.backbone, "max_sequence_length", None)
        kept = min(length * self.pieces, 2 * length, *([limit - 2] if limit else []))
        pieces = ops.take(self.table, ids, axis=0)
        there = pieces >= 0
        counts = ops.sum(ops.cast(there, "int32"), axis=-1)
        # Where each word begins; the start token is at place 0.
        first = ops.cumsum(counts, axis=1) - counts + 1
        mask = ops.logical_and(counts > 0, first <= kept)
        total = ops.minimum(ops.sum(counts, axis=1, keepdims=True), kept)

        # The pieces side by side, without the holes that short words leave.
        flat, holes = (ops.reshape(part, (-1, length * self.pieces)) for part in (pieces, ops.logical_not(there)))
        order = ops.argsort(
            ops.arange(length * self.pieces) + ops.cast(holes, "int32") * length * self.pieces, axis=1
        )
        flat = ops.take_along_axis(flat, order, axis=1)[:, :kept]

        start, end, padding = self.ends
        flat = ops.pad(flat, ((0, 0), (1, 1)))
        place = ops.arange(kept + 2)[None]
        flat = ops.where(place == 0, start, ops.where(place == total + 1, end, flat))
        there = place <= total + 1
        hidden = self.run_backbone(ops.where(there, flat, padding), there, bool(training) and self.fine_tune == "all")
        words = ops.take_along_axis(hidden, ops.minimum(first, kept)[..., None], axis=1)
        sequence = self.projection(words) * ops.cast(mask, hidden.dtype)[..., None]
        return {"sequence": sequence, "pooled": self.projection(self.pool(hidden, there, total)), "mask": mask}

    def run_backbone(self, tokens, there, training):
        """Run the backbone on int32 `(B, n)`: float `(B, n, hidden)`; `there` is False at padding."""
        tokens = {"token_ids": tokens, "padding_mask": ops.cast(there, "int32")}
        if "segment_ids" in self.backbone.input:
            tokens["segment_ids"] = ops.zeros_like(tokens["token_ids"])
        hidden = self.backbone(tokens, training=training)
        return hidden["sequence_output"] if isinstance(hidden, dict) else hidden

    def pool(self, hidden, there, total):
        """Pool a text into one vector; `total` int32 `(B, 1)` counts its subword tokens without start and end."""
        weights = ops.cast(there, hidden.dtype)[..., None]
        return ops.sum(hidden * weights, axis=1) / ops.sum(weights, axis=1)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "units": self.units,
            "preset": self.preset,
            "fine_tune": self.fine_tune,
            "backbone_config": {
                "backbone": keras.saving.serialize_keras_object(self.backbone),
                "pieces": self.pieces,
                "ends": self.ends,
            },
        }


def piece_table(tokenizer, vocabulary):
    """Tokenize every word of the vocabulary.

    Args:
        tokenizer: A KerasHub tokenizer.
        vocabulary: sequence of str, the words of ids 4, 5, …

    Returns:
        tuple: int32 array `(len(vocabulary) + 4, pieces)` of subword tokens, -1 after the last one; and the ids of
            the
        start, end and padding tokens.

    Raises:
        ValueError: for a tokenizer that is neither WordPiece nor CLIP's, since others split a word differently after
            a space.
    """
    if hasattr(tokenizer, "oov_token"):
        unknown = [tokenizer.token_to_id(tokenizer.oov_token)]
    elif type(tokenizer).__name__ == "CLIPTokenizer":
        # It knows every byte, so it has no token for what it does not know.
        unknown = []
    else:
        raise ValueError(
            f"{type(tokenizer).__name__} does not cut words into pieces as WordPiece does; choose a BERT."
        )
    ends = (tokenizer.start_token_id, tokenizer.end_token_id, tokenizer.pad_token_id)
    # Padding has no piece; start and end tokens of our own are not in texts that are read.
    words = [[], unknown, [], [], *([int(piece) for piece in tokenizer(word)] for word in vocabulary)]
    words = [word[:MOST_PIECES] for word in words]
    table = np.full((len(words), max(map(len, words))), -1, "int32")
    for row, word in zip(table, words, strict=True):
        row[: len(word)] = word
    return table, ends
