import keras
from keras import ops

from kerasfusion.fusion.tokens import TokenFusion, concatenated


@keras.saving.register_keras_serializable("kerasfusion")
class JointEncoder(TokenFusion):
    """What a decoder looks at: the tokens of all modalities, after they have looked at one another.

    Tokens are `W_m x_l + e_m + p_{m,l}`, as in `TokenTransformer`; a missing modality is one learned token.
    `num_layers` blocks of self-attention follow (with 0, words and cells stay by themselves), then `P LN(·)` of every
    token.

    Args:
        units: Width of tokens and vector.
        num_heads: Number of attention heads; must divide `units`.
        num_layers: Number of blocks.
        dropout: Dropout rate on the tokens.

    Call arguments:
        inputs: dict name -> encoder output with `sequence` and, of texts, `mask`.
        present: Optional dict name -> bool `(B,)`.

    Returns:
        dict: `sequence` float `(B, n, units)`, `mask` bool `(B, n)`, `pooled` float `(B, units)`, the mean of the
        tokens.

    Example:

    ```python
    context = JointEncoder(256, num_layers=2)({"image": image, "text": text})
    context["sequence"]  # (B, cells + words, 256)
    ```
    """

    def build_join(self, names):
        self.blocks = [self.block(f"block_{i}") for i in range(self.num_layers)]
        return self.token_width

    def call(self, inputs, present=None, training=None):
        tokens, mask = concatenated(self.tokens_of(self.values_of(inputs, present)))
        for block in self.blocks:
            tokens = block(tokens, attended=mask)
        tokens = self.output_dropout(self.projection(self.norm(tokens)), training=training)
        counted = ops.cast(mask, tokens.dtype)[..., None]
        pooled = ops.sum(tokens * counted, axis=1) / ops.sum(counted, axis=1)
        return {"sequence": tokens, "mask": mask, "pooled": pooled}
