"""A generator and a discriminator trained against each other."""

import keras
import tensorflow as tf

from kerasfusion.losses import discriminator_hinge, generator_hinge


class Adversarial(keras.Model):
    """Train a generator: each step, the discriminator learns once and then the generator.

    The discriminator is shown real images with the text of another row as well, and is to refuse them like drawn
    ones (arXiv 1605.05396): else it could do without reading for long, and the generator then draws anything.

    What makes a generator good goes up and down from step to step, so its weights are averaged over many of them.
    That is Keras's own `use_ema` of the generator's optimizer; `finish` puts the averages in the weights' place.

    Args:
        generator: What `kf.models.generator` made.
        discriminator: What `kf.models.discriminator` made for the same schema.
        seed: Seed of the noise.

    Example:

    ```python
    wrapper = Adversarial(draw, kf.models.discriminator(schema))
    wrapper.compile(
        keras.optimizers.Adam(2e-4, beta_1=0.0, use_ema=True, ema_momentum=0.999),
        keras.optimizers.Adam(2e-4, beta_1=0.0),
    )
    wrapper.fit(batches, epochs=20)
    wrapper.finish()
    draw.save("draw.keras")
    ```
    """

    def __init__(self, generator, discriminator, seed=0):
        super().__init__(name=f"{generator.name}_adversarial")
        self.generator = generator
        self.discriminator = discriminator
        self.random = keras.random.SeedGenerator(seed)
        self.image, self.text = generator.image, generator.text
        self.loss_means = {name: keras.metrics.Mean(name=name) for name in ("discriminator_loss", "generator_loss")}

    def compile(self, generator_optimizer, discriminator_optimizer, **settings):
        super().compile(**{"jit_compile": False, **settings})
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)

    @property
    def metrics(self):
        return list(self.loss_means.values())

    def train_step(self, data):
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        text, real = x[self.text], tf.cast(x[self.image], tf.float32) / 255.0
        drawn = self._draw(text)
        with tf.GradientTape() as tape:
            every = {
                self.text: tf.concat([text, text, tf.roll(text, 1, 0)], 0),
                self.image: tf.concat([real, drawn, real], 0),
            }
            right, drawn, other = tf.split(self.discriminator(every, training=True), 3)
            loss = discriminator_hinge(right, tf.concat([drawn, other], 0))
        self._learn(self.discriminator, self.discriminator_optimizer, tape, loss, "discriminator_loss")
        with tf.GradientTape() as tape:
            # Spectral normalization changes weights when it trains: not while it only judges.
            scores = self.discriminator({self.text: text, self.image: self._draw(text)}, training=False)
            loss = generator_hinge(scores)
        self._learn(self.generator, self.generator_optimizer, tape, loss, "generator_loss")
        return self.get_metrics_result()

    def finish(self):
        """Give the generator the averages of its weights. Training ends with that."""
        self.generator_optimizer.finalize_variable_values(self.generator.trainable_variables)

    def _draw(self, text):
        width = self.generator.input["noise"].shape[-1]
        noise = keras.random.normal((tf.shape(text)[0], width), seed=self.random)
        return self.generator({self.text: text, "noise": noise}, training=True)[self.image]

    def _learn(self, model, optimizer, tape, loss, name):
        weights = model.trainable_variables
        optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        self.loss_means[name].update_state(loss)
