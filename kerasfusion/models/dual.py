import keras

from kerasfusion.heads import ContrastiveHead
from kerasfusion.models.encoded_model import EncodedModel
from kerasfusion.models.inputs import make_encoders, make_inputs
from kerasfusion.models.parts import LazyParts, make_part, symbolic_inputs


@keras.saving.register_keras_serializable("kerasfusion")
class DualEncoder(EncodedModel):
    """A functional model of two branches into one space, and the cosine of what they give.

    Args:
        inputs: dict name -> `keras.Input` (or `{"shape", "dtype"}`): both features and their `<feature>_present`.
        encoders: dict feature -> encoder layer.
        kinds: dict feature -> `"text"` or `"image"`.
        branches: dict kind -> list of layers from an encoder's pooled vector to a float32 `(B, d)` of length 1.
        heads: dict task -> `ContrastiveHead`, one.
        name: Name of the model.

    A layer may also be a function without arguments that makes it. It is called just before the layer is.

    Call arguments:
        inputs: dict of tensors, as named by `inputs`.

    Returns:
        dict task -> float32 `(B, 1)`, the cosine of a row's image and text.

    Attributes:
        encoders, kinds, branches, heads: The parts.
        width: Width of the embeddings.

    Raises:
        ValueError: the branches give embeddings of two widths.

    Example:

    ```python
    model = kf.models.dual_encoder(data.schema)
    texts = model.embed({"text": ids, "text_present": present})["text"]  # (B, d)
    ```
    """

    def __init__(self, inputs, encoders, kinds, branches, heads, name=None):
        # Layers
        self.start(encoders=LazyParts(encoders), kinds=dict(kinds), heads=LazyParts(heads))
        self.start(branches={kind: list(layers) for kind, layers in branches.items()})

        # Functional model
        inputs = symbolic_inputs(inputs)
        embeddings = self.embed(inputs)
        widths = {kind: embedding.shape[-1] for kind, embedding in embeddings.items()}
        if len(set(widths.values())) > 1:
            raise ValueError(f"A dual encoder needs encoders as wide as one another, or units; not {widths}.")
        self.start(width=next(iter(widths.values())))
        outputs = self.predict_heads(embeddings)
        self.finish(inputs, outputs, name, ("encoders", "kinds", "branches", "heads"))

    def embed(self, inputs):
        """Embed whichever of image and text the inputs hold.

        Args:
            inputs: dict of tensors, of one feature or of both.

        Returns:
            dict `"image"` and `"text"` -> float32 `(B, d)`, rows of length 1.
        """
        return self.fuse(self.encode(inputs), self.presence(inputs))

    def fuse(self, encoded, present):
        """Return dict kind -> float32 `(B, d)`, the embeddings of these encoder outputs."""
        embeddings = {}
        for name, output in encoded.items():
            layers, x = self.branches[self.kinds[name]], output["pooled"]
            for place, layer in enumerate(layers):
                layers[place] = layer = make_part(layer)
                x = layer(x)
            embeddings[self.kinds[name]] = x
        return embeddings

    def presence(self, inputs):
        """Nothing: a missing image or text is embedded as it is."""
        return {}

    def predict_heads(self, representation):
        return {task: self.heads[task](representation) for task in self.heads}

    def get_config(self):
        return self.parts_config(encoders=self.encoders, kinds=self.kinds, branches=self.branches, heads=self.heads)


def dual_encoder(
    schema,
    text_encoder="gru",
    image_encoder="residual_cnn",
    units=128,
    loss="info_nce",
    dropout=0.0,
    hidden_units=None,
    pretrained_embeddings=None,
    image_weights=None,
    name=None,
):
    """A text branch and an image branch into one space, where what belongs together is near (arXiv 2103.00020).

    Nothing joins the branches but a cosine, so images and texts are embedded once and compared by the million.
    The lengths are 1 in training and in serving alike. Train the wrapper that `contrastive(model)` makes.

    Args:
        schema: A `kf.Schema` with one text, one image and one task of type `"retrieval"`.
        text_encoder: A name in `kf.encoders.TEXT_ENCODERS`, or `{"name": ..., **arguments}`.
        image_encoder: A name in `kf.encoders.IMAGE_ENCODERS`, or `{"name": ..., **arguments}`.
        units: Width of the space, and of the branches unless their own arguments say otherwise. None leaves out the
            dense layers into the space, for encoders that share one already, as those of a CLIP do.
        loss: See `ContrastiveHead`.
        dropout: Dropout rate on what the encoders give, and on the hidden layers.
        hidden_units: Width of a hidden layer in front of each dense layer into the space, with batch normalization
            before it: perceptrons of two layers on frozen encoders. None: there is none.
        pretrained_embeddings: File that the text encoder's embedding starts from, see `fusion_model`.
        image_weights: What the image encoder's network starts from, see `fusion_model`.
        name: Name of the model.

    Returns:
        DualEncoder: dict of inputs (see `make_inputs`) -> dict task -> float32 `(B, 1)`, the cosine of a row's image
        and text. Its `embed` gives the embeddings, float32 `(B, units)`.

    Raises:
        ValueError: an unknown name, a schema with other features or tasks, or encoders of two widths and no units.

    Example:

    ```python
    model = kf.models.dual_encoder(schema, text_encoder="gru", image_encoder="residual_cnn", units=256)
    wrapper = kf.models.contrastive(model)
    ```
    """
    kinds = [feature.kind for feature in schema.features]
    tasks = [task.type for task in schema.tasks]
    if sorted(kinds) != ["image", "text"] or tasks != ["retrieval"]:
        raise ValueError(
            f"dual_encoder needs one text, one image and one task of type retrieval; the schema has {kinds} and "
            f"{tasks}."
        )
    branches = {}
    for kind in kinds:
        branches[kind] = _projection(kind, units, dropout, hidden_units)
    task = schema.tasks[0].name
    return DualEncoder(
        make_inputs(schema),
        make_encoders(schema, text_encoder, image_encoder, units, pretrained_embeddings, image_weights),
        {feature.name: feature.kind for feature in schema.features},
        branches,
        {task: lambda: ContrastiveHead(loss, name=f"head_{task}")},
        name=name,
    )


def _projection(kind, units, dropout, hidden_units):
    """Functions that make the layers from an encoder's pooled vector to an embedding."""
    layers = [lambda: keras.layers.Dropout(dropout, name=f"dropout_{kind}")]
    if hidden_units is not None:
        # Features of frozen encoders come in any scale.
        layers.insert(0, lambda: keras.layers.BatchNormalization(momentum=0.9, name=f"norm_{kind}"))
        layers.append(lambda: keras.layers.Dense(hidden_units, activation="gelu", name=f"hidden_{kind}"))
        layers.append(lambda: keras.layers.Dropout(dropout, name=f"hidden_dropout_{kind}"))
    if units is not None:
        layers.append(lambda: keras.layers.Dense(units, name=f"project_{kind}"))
    layers.append(lambda: keras.layers.UnitNormalization(axis=-1, dtype="float32", name=f"embed_{kind}"))
    return layers


def get_tower(model, feature):
    """One branch of a dual encoder as a model of its own, with the same layers and weights.

    Args:
        model: What `dual_encoder` made.
        feature: The text's or the image's `Feature`.

    Returns:
        keras.Model: dict of `<name>` and `<name>_present` -> float32 `(B, units)`, rows of length 1.
    """
    inputs = {name: model.input[name] for name in (feature.name, f"{feature.name}_present")}
    embedding = model.embed(inputs)[feature.kind]
    return keras.Model(inputs, embedding, name=f"embed_{feature.kind}")
