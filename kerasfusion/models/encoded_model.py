"""The base of every model that encodes each feature by itself before anything joins the features."""

from kerasfusion.models.parts import PartsModel


class EncodedModel(PartsModel):
    """A functional model made of named parts, whose forward pass can be entered between the parts.

    The plain call is `predict_encoded(encode(inputs), inputs)`. Training wrappers use the two halves: encode an image
    once and join it with many texts, or give features of a frozen backbone in place of pixels.

    A subclass implements `fuse` and `predict_heads`, and what `PartsModel` asks for.

    Attributes:
        encoders: dict feature -> encoder layer.
        heads: dict task -> head, which owns the task's loss, metrics and predictions.
    """

    def encode(self, inputs, encoded=None):
        """Encode the features that are in `inputs`.

        Args:
            inputs: dict of tensors. `<feature>_features`, where it is there, holds what the encoder's frozen backbone
                makes of the feature (see `ImageEncoder.features`); it enters at the encoder's projection.
            encoded: dict feature -> encoder output that is known already. These features are not encoded again.

        Returns:
            dict feature -> encoder output, those of `encoded` included.
        """
        found = dict(encoded or {})
        for name in self.encoders:
            if name not in found and f"{name}_features" in inputs:
                found[name] = self.encoders[name]({"features": inputs[f"{name}_features"]})
            elif name not in found and name in inputs:
                encoder = self.encoders[name]
                found[name] = encoder(inputs[name], **_read_beside(encoder, found, inputs))
        return found

    def presence(self, inputs):
        """Return dict feature -> bool `(B,)`, whether a row has the feature."""
        return {name: inputs[f"{name}_present"] for name in self.encoders if f"{name}_present" in inputs}

    def fuse(self, encoded, present):
        """Join encoder outputs to what the heads take."""
        raise NotImplementedError

    def predict_heads(self, representation):
        """Return dict task -> float32 logits."""
        raise NotImplementedError

    def predict_encoded(self, encoded, inputs):
        """Return dict task -> float32 logits of encoded features; of `inputs`, what no encoder takes is read."""
        return self.predict_heads(self.fuse(encoded, self.presence(inputs)))

    def cacheable(self):
        """Return dict feature -> encoder, where a frozen backbone is all that reads the feature's pixels."""
        return {n: e for n, e in self.encoders.items() if getattr(e, "frozen_backbone", None) is not None}


def _read_beside(encoder, found, inputs):
    """What an encoder reads beside its feature: of one with `grid_of`, that feature's grid and where it is there."""
    other = getattr(encoder, "grid_of", None)
    if "grid" not in found.get(other, {}):
        return {}
    present = f"{other}_present"
    return {"grid": found[other]["grid"], **({"grid_present": inputs[present]} if present in inputs else {})}
