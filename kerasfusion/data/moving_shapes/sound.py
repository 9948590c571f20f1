"""The sound of a moving scene: a tone for each event."""

import numpy as np

# Hertz of each tone, an octave apart.
TONES = {"low": 400, "middle": 800, "high": 1600}
RATE = 4_000  # samples a second
SAMPLES = 200  # of a frame: 20 frames a second

_LOUDNESS = (0.3, 0.6)
_NOISE = 0.05


def draw_sound(scene, tones, rng):
    """Let a tone sound during each event, in noise. Loudness and phase of the tones are random.

    Args:
        scene: A `MovingScene`.
        tones: A name in `TONES` for each of its events.
        rng: `np.random.Generator`.

    Returns:
        float32 array `(frames * SAMPLES,)`, `RATE` samples a second.

    Raises:
        ValueError: not as many tones as events.

    Example:

    ```python
    rng = np.random.default_rng(0)
    samples = draw_sound(sample_moving_scene(rng), ["low", "high", "high", "middle"], rng)
    wav = kf.data.wav_bytes(samples, RATE)
    ```
    """
    samples = rng.normal(0, _NOISE, scene.length * SAMPLES)
    for event, tone in zip(scene.events, tones, strict=True):
        heard = np.arange(event.start * SAMPLES, event.end * SAMPLES)
        phase = rng.uniform(0, 2 * np.pi)
        samples[heard] += rng.uniform(*_LOUDNESS) * np.sin(2 * np.pi * TONES[tone] * heard / RATE + phase)
    return samples.astype("float32")
