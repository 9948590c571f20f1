import keras
from keras import ops

from kerasfusion.losses import gaussian_kl


@keras.saving.register_keras_serializable("kerasfusion")
class GaussianLatent(keras.layers.Layer):
    """Latent vector of a variational autoencoder, by the reparameterization trick (arXiv 1312.6114).

        z = μ(x) + σ(x) ⊙ ε with ε ~ N(0, I) in training,   z = μ(x) in inference

    Adds `kl_weight` times the mean of `gaussian_kl` over the rows to the model's loss, which keeps latent vectors
    close to a standard normal distribution, so that random samples of it can be decoded.

    Args:
        units: int, width of the latent vector.
        kl_weight: float, weight of the KL divergence. Defaults to 1.
        seed: Optional int, seed of ε. `None` uses Keras's global seed.

    Call arguments:
        x: float `(B, d)`.
        training: Optional bool.

    Returns:
        float `(B, units)`.

    Example:

    ```python
    latent = GaussianLatent(32, kl_weight=1e-3)(keras.random.normal((2, 64)))  # (2, 32)
    ```
    """

    def __init__(self, units, kl_weight=1.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.kl_weight = kl_weight
        self.seed = seed
        self.random = keras.random.SeedGenerator(seed)

    def build(self, x_shape):
        self.mean, self.log_variance = (
            keras.layers.Dense(self.units, name=name, dtype=self.dtype_policy) for name in ("mean", "log_variance")
        )
        for layer in (self.mean, self.log_variance):
            layer.build(x_shape)

    def compute_output_shape(self, x_shape):
        return (*x_shape[:-1], self.units)

    def call(self, x, training=None):
        mean, log_variance = self.mean(x), self.log_variance(x)
        self.add_loss(self.kl_weight * ops.mean(gaussian_kl(mean, log_variance)))
        if not training:
            return mean
        noise = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.random)
        return mean + ops.exp(0.5 * log_variance) * noise

    def get_config(self):
        return {**super().get_config(), "units": self.units, "kl_weight": self.kl_weight, "seed": self.seed}
