import keras


@keras.saving.register_keras_serializable("kerasfusion")
class FrozenModel(keras.layers.Layer):
    """A trained network inside of another one, whose training leaves it as it is.

    `trainable = False` on a network is not enough: a model that is loaded sets its own flag, True, on everything
    inside.

    Args:
        model: The network.

    Call arguments:
        inputs: What the network takes.

    Returns:
        What the network gives, as when it is not trained.

    Example:

    ```python
    logits = Frozen(tagger, name="tagger")({"image": image, "image_present": image_present})["tags"]
    ```
    """

    def __init__(self, model, **kwargs):
        super().__init__(**kwargs)
        self.model = model
        for weight in model.weights:
            weight.trainable = False

    @property
    def trainable(self):
        # Whoever this layer is part of sets it.
        return False

    @trainable.setter
    def trainable(self, value):
        pass

    def call(self, inputs):
        return self.model(inputs, training=False)

    def get_config(self):
        return {**super().get_config(), "model": keras.saving.serialize_keras_object(self.model)}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "model": keras.saving.deserialize_keras_object(config["model"])})
