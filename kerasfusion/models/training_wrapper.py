"""What all training wrappers share: they change how a model is trained, and leave the model as it is."""

import keras

from kerasfusion.keras_compat import SymbolicBuildMixin
from kerasfusion.models.encoded_model import EncodedModel
from kerasfusion.models.heads import get_heads


class TrainingWrapper(SymbolicBuildMixin, keras.Model):
    """Train a model in another way: with other batches, another loss or another step.

    A wrapper has the layers and weights of the model it wraps and is never saved: the plain model is. Wrappers wrap
    one another. The outermost is compiled and trained, and asks each of these hooks; every wrapper in between changes
    what it has to and passes the rest on, so that their order seldom matters:

    | hook | what it decides |
    |---|---|
    | `encode`, `presence`, `predict_encoded` | the two halves of the model's call, see `EncodedModel` |
    | `forward` | how a batch becomes outputs |
    | `arrange` | which labels, outputs and weights the losses and metrics get to see |
    | `adjust_loss` | what the loss of the tasks is changed to |
    | `run_step` | how a batch is learned from |
    | `compile_settings` | what `compile` is given |
    | `example_batch` | by which batch Keras learns shapes |

    `trainer` is the outermost wrapper: hooks call the others' hooks by it, and find the optimizer there.

    This base changes nothing: a model whose plain call cannot take a batch, because cached features stand in place of
    pixels, is trained by it.

    Args:
        model: A model, or another wrapper.
        name: Name of the wrapper.

    Attributes:
        model: What it wraps.
        plain: The innermost model, which is saved.
        heads: dict task -> head, of all that is learned.

    Example:

    ```python
    class Halved(kf.models.TrainingWrapper):
        def adjust_loss(self, trainer, loss, y_pred):
            return super().adjust_loss(trainer, loss, y_pred) / 2

    kf.training.fit(Halved(model), train, validation, config, "runs/halved")  # image-major batches where they help
    ```
    """

    # Whether it says itself how batches become outputs, so that `fit` adds no wrapper for that.
    takes_batches = False

    def __init__(self, model, name=None):
        super().__init__(name=name or f"{model.name}_training")
        self.model = model
        # Its layers are: an inner wrapper is never called itself.
        self.built = True

    @property
    def plain(self):
        return plain_model(self.model)

    @property
    def heads(self):
        return get_heads(self.model)

    # Hooks

    def encode(self, inputs, encoded=None):
        return self.model.encode(inputs, encoded) if _has_halves(self.model) else dict(encoded or {})

    def presence(self, inputs):
        return self.model.presence(inputs) if _has_halves(self.model) else {}

    def predict_encoded(self, encoded, inputs):
        if _has_halves(self.model):
            return self.model.predict_encoded(encoded, inputs)
        return self.model({name: inputs[name] for name in self.model.input})

    def forward(self, trainer, inputs):
        if isinstance(self.model, TrainingWrapper):
            return self.model.forward(trainer, inputs)
        return trainer.predict_encoded(trainer.encode(inputs), inputs)

    def embed(self, inputs):
        return self.model.embed(inputs)

    def scores(self, embeddings):
        return self.model.scores(embeddings)

    def arrange(self, y, y_pred, sample_weight):
        if isinstance(self.model, TrainingWrapper):
            return self.model.arrange(y, y_pred, sample_weight)
        return y, y_pred, sample_weight

    def adjust_loss(self, trainer, loss, y_pred):
        return self.model.adjust_loss(trainer, loss, y_pred) if isinstance(self.model, TrainingWrapper) else loss

    def run_step(self, trainer, *data):
        if isinstance(self.model, TrainingWrapper):
            return self.model.run_step(trainer, *data)
        return keras.Model.train_step(trainer, *data)

    def compile_settings(self, settings):
        return self.model.compile_settings(settings) if isinstance(self.model, TrainingWrapper) else settings

    def example_batch(self, iterator):
        return self.model.example_batch(iterator) if isinstance(self.model, TrainingWrapper) else None

    # What Keras calls

    def call(self, inputs, training=None, embed=False):
        # `training` reaches the layers through Keras's call context, which is set only because it is named here.
        return self.embed(inputs) if embed else self.forward(self, inputs)

    def compile(self, *arguments, **settings):
        super().compile(*arguments, **self.compile_settings(settings))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        y, y_pred, sample_weight = self.arrange(y, y_pred, sample_weight)
        loss = super().compute_loss(x, y, y_pred, sample_weight, training=training)
        return self.adjust_loss(self, loss, y_pred)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, *self.arrange(y, y_pred, sample_weight))

    def train_step(self, *data):
        return self.run_step(self, *data)


def plain_model(model):
    """The model inside all wrappers; a model that is none is its own."""
    return model.plain if isinstance(model, TrainingWrapper) else model


def wrappers_of(model):
    """Yield the wrappers of a model, the outermost first."""
    while isinstance(model, TrainingWrapper):
        yield model
        model = model.model


def _has_halves(model):
    return isinstance(model, EncodedModel | TrainingWrapper)
