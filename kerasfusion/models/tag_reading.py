import keras
from keras import ops

from kerasfusion.models.fusion import FusionModel


@keras.saving.register_keras_serializable("kerasfusion")
class TagReadingModel(FusionModel):
    """A `FusionModel` that reads behind each text what a frozen tagger sees in the image.

    Args:
        inputs, encoders, fusion, heads, hidden, imputers, name: As for `FusionModel`.
        tagger: `FrozenModel` of a model that takes the image alone.
        appender: `TagTokenAppender`.
        image: Name of the image.
        text: Name of the text.
        tags: The tagger's task.

    Call arguments:
        inputs: dict of tensors, as named by `inputs`.

    Returns:
        dict task -> float32 logits `(B, C)`.

    Example:

    ```python
    model = kf.transfer.append_tags(tagger, tagger_schema["tags"], schema, build)
    ```
    """

    # What `encode` keeps beside the features: the tagger's logits, and whether the longer text has any token.
    SEEN, READ = "tags_seen", "tags_read"

    def __init__(self, inputs, encoders, fusion, heads, tagger, appender, image, text, tags, **kwargs):
        self.start(tagger=tagger, appender=appender, image=image, text=text, tags=tags)
        super().__init__(inputs, encoders, fusion, heads, **kwargs)
        self.tagger, self.appender = self.tagger, self.appender

    def encode(self, inputs, encoded=None):
        found, present = dict(encoded or {}), f"{self.image}_present"
        if self.image in inputs and self.SEEN not in found:
            found[self.SEEN] = self.tagger({name: inputs[name] for name in (self.image, present)})[self.tags]
        if self.text in inputs and self.text not in found:
            read = self.appender(inputs[self.text], found[self.SEEN], inputs[present])
            found[self.READ] = ops.any(ops.not_equal(read, 0), axis=1)
            inputs = {**inputs, self.text: read}
        return super().encode(inputs, found)

    def fuse(self, encoded, present):
        return super().fuse(encoded, {**present, self.text: encoded[self.READ]})

    def cacheable(self):
        return {name: encoder for name, encoder in super().cacheable().items() if name != self.image}

    def get_config(self):
        own = {name: getattr(self, name) for name in ("tagger", "appender", "image", "text", "tags")}
        return {**super().get_config(), **self.parts_config(**own)}
