import keras


@keras.saving.register_keras_serializable("kerasfusion")
class FrozenModel(keras.layers.Layer):
    """Wrap a trained model so that it stays frozen inside another model.

    Setting `trainable = False` on the model is not enough: a model that is loaded sets its own flag, True, on all of
    its layers.

    Args:
        model: `keras.Model`, the trained model.

    Call arguments:
        inputs: The inputs of the model.

    Returns:
        The outputs of the model in inference mode.

    Example:

    ```python
    tagger = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    layer = FrozenModel(tagger, name="tagger")
    layer(keras.random.normal((2, 8)))  # (2, 3)
    layer.trainable_weights  # []
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
