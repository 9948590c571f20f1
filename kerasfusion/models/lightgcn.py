import keras
from keras import ops

from kerasfusion.layers import GraphPropagation
from kerasfusion.models.factor_recommender import FactorRecommender, factor_table


@keras.saving.register_keras_serializable("kerasfusion")
class LightGCN(FactorRecommender):
    """LightGCN (arXiv 2002.02126): embeddings of users and items, averaged over the graph of their interactions.

    The only weights are the embeddings `e^(0)`; `GraphPropagation` has the equation of the others. The score is
    `e_u · e_i`. Train it with `BPRLoss`. It knows nothing of content: an item without interactions cannot be ranked.

    Args:
        num_users: int, number of users.
        num_items: int, number of items.
        interactions: int array `(E, 2)`, see `GraphPropagation`.
        dim: int, width of the embeddings. Defaults to 64.
        num_layers: int, how far embeddings are propagated. 0 is matrix factorization. Defaults to 3.
        l2: float, weight of the embeddings' squared length beside a loss that is a mean. Defaults to 1e-6.

    Call arguments:
        inputs: See `FactorRecommender`.

    Returns:
        float32 `(B, N)`.

    Example:

    ```python
    model = kf.models.LightGCN(num_users=2, num_items=3, interactions=[[0, 0], [0, 1], [1, 1]], dim=8)
    model.compile("adam", loss=kf.losses.BPRLoss())
    model({"user": keras.ops.array([0, 1]), "item": keras.ops.array([[0, 2], [1, 0]])})  # (2, 2)
    ```
    """

    def __init__(self, num_users, num_items, interactions, dim=64, num_layers=3, l2=1e-6, **kwargs):
        super().__init__(**kwargs)
        sizes = {"num_users": num_users, "num_items": num_items, "dim": dim}
        self.settings = {**sizes, "num_layers": num_layers, "l2": l2}
        self.users = factor_table(num_users, dim, l2, "users")
        self.items = factor_table(num_items, dim, l2, "items")
        self.propagation = GraphPropagation(num_users, num_items, interactions, num_layers, name="propagation")
        self.propagation.build()
        self.built = True

    def factors(self):
        users, items = self.propagation(self.users.embeddings, self.items.embeddings)
        return users, items, ops.zeros(items.shape[0])

    def get_config(self):
        return {**super().get_config(), **self.settings, "interactions": self.propagation.num_interactions}
