import keras
import numpy as np
from keras import ops

from kerasfusion.models.factor_recommender import FactorRecommender, factor_table


@keras.saving.register_keras_serializable("kerasfusion")
class VBPR(FactorRecommender):
    """Visual Bayesian personalized ranking (arXiv 1510.01784): item factors beside a projection of image features.

        score = β_i + γ_u · γ_i + θ_u · (E f_i) + β′ · f_i

    The paper's offset and user bias are left out: they cancel in its loss, `BPRLoss`. An item without interactions is
    ranked by its features f, usually those of a frozen image network.

    Args:
        num_users: int, number of users.
        num_items: int, number of items.
        features: float array `(num_items, F)`; zeros for an item without an image. Or F, for a model whose weights
            are loaded.
        dim: int, width of γ. Defaults to 32.
        visual_dim: int, width of θ. Defaults to 32.
        l2: float, weight of the squared length of γ, θ and β beside a loss that is a mean. Defaults to 1e-6.
        visual_l2: float, the same of E and β′. Defaults to 0.

    Call arguments:
        inputs: See `FactorRecommender`.

    Returns:
        float32 `(B, N)`.

    Raises:
        ValueError: features of another number of items.

    Example:

    ```python
    model = kf.models.VBPR(num_users=2, num_items=3, features=np.eye(3, 5), dim=4, visual_dim=4)
    model.compile("adam", loss=kf.losses.BPRLoss())
    model({"user": keras.ops.array([0, 1]), "item": keras.ops.array([[0, 2], [1, 0]])})  # (2, 2)
    ```
    """

    def __init__(self, num_users, num_items, features, dim=32, visual_dim=32, l2=1e-6, visual_l2=0.0, **kwargs):
        super().__init__(**kwargs)
        self.settings = {"num_users": num_users, "num_items": num_items, "dim": dim, "visual_dim": visual_dim}
        self.settings |= {"l2": l2, "visual_l2": visual_l2}
        loaded = isinstance(features, int)
        shape = (num_items, features) if loaded else np.shape(features)
        if len(shape) != 2 or shape[0] != num_items:
            raise ValueError(f"VBPR: features must be float ({num_items}, F), a row for each item, not {shape}.")
        self.users = factor_table(num_users, dim, l2, "users")
        self.items = factor_table(num_items, dim, l2, "items")
        self.visual_users = factor_table(num_users, visual_dim, l2, "visual_users")
        self.bias = factor_table(num_items, 1, l2, "bias", "zeros")
        regularizer = keras.regularizers.L2(visual_l2) if visual_l2 else None
        # E and β′ side by side.
        self.projection = keras.layers.Dense(
            visual_dim + 1, use_bias=False, kernel_regularizer=regularizer, name="projection"
        )
        self.projection.build(shape)
        self.features = self.add_weight(shape=shape, trainable=False, initializer="zeros", name="features")
        if not loaded:
            self.features.assign(features)
        self.built = True

    def factors(self):
        projected = self.projection(self.features)
        users = ops.concatenate([self.users.embeddings, self.visual_users.embeddings], axis=1)
        items = ops.concatenate([self.items.embeddings, projected[:, :-1]], axis=1)
        return users, items, self.bias.embeddings[:, 0] + projected[:, -1]

    def get_config(self):
        return {**super().get_config(), **self.settings, "features": self.features.shape[1]}
