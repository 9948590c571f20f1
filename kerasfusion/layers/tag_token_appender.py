import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasfusion")
class TagTokenAppender(keras.layers.Layer):
    """Append the names of predicted tags to a text, most likely tag first.

    Args:
        words: Token ids of each tag's name, int `(C, W)`, padded with 0.
        max_tags: int, maximum number of tags to append. Defaults to 8.
        mutually_exclusive: bool. If True, the tags are classes and only the most likely one is appended; otherwise
            all tags with a positive logit are. Defaults to False.

    Call arguments:
        ids: int32 `(B, L)`, padded with 0.
        logits: float `(B, C)`, of the tagger.
        seen: bool `(B,)`, False where the tagger had no image: no tag is appended.

    Returns:
        int32 `(B, L + max_tags · W)`, padded with 0.

    Example:

    ```python
    layer = TagTokenAppender([[7], [8], [9]], max_tags=2)
    layer(np.array([[4, 5, 0]]), np.array([[1.0, -1.0, 2.0]]), np.array([True]))  # [[4, 5, 9, 7, 0]]
    ```
    """

    def __init__(self, words, max_tags=8, mutually_exclusive=False, **kwargs):
        super().__init__(**kwargs)
        self.words = [list(map(int, tag)) for tag in words]
        self.mutually_exclusive = mutually_exclusive
        self.max_tags = 1 if mutually_exclusive else min(max_tags, len(self.words))
        # Ids are compared and moved, never multiplied.
        self.table = ops.convert_to_numpy(self.words).astype("int32")

    def call(self, ids, logits, seen):
        top, place = ops.top_k(logits, self.max_tags)
        said = ops.take(self.table, place, axis=0)  # (B, max_tags, W)
        written = ops.ones_like(top, dtype="bool") if self.mutually_exclusive else top > 0
        written = ops.logical_and(written, seen[:, None])[..., None]
        said = ops.where(written, said, 0)
        width = self.max_tags * self.table.shape[1]
        joined = ops.concatenate([ids, ops.reshape(said, (-1, width))], axis=1)
        # Recurrent layers on a GPU take texts whose padding is last.
        length = joined.shape[1]
        key = ops.arange(length, dtype="int32") + length * ops.cast(ops.equal(joined, 0), "int32")
        return ops.take_along_axis(joined, ops.argsort(key, axis=1), axis=1)

    def compute_output_shape(self, ids_shape, logits_shape, seen_shape):
        return ids_shape[0], ids_shape[1] + self.max_tags * self.table.shape[1]

    def compute_output_spec(self, ids, logits, seen):
        return keras.KerasTensor(self.compute_output_shape(ids.shape, logits.shape, seen.shape), ids.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "words": self.words,
            "max_tags": self.max_tags,
            "mutually_exclusive": self.mutually_exclusive,
        }
