"""Captions word by word, with what the model looked at for each."""

import numpy as np
import tensorflow as tf

from kerasfusion.evaluation.caption_report import shown_images
from kerasfusion.evaluation.captions import attention_maps
from kerasfusion.explain.heatmap import overlay_heatmap
from kerasfusion.explain.saliency import NoFeatureMapError

IMAGES = 4


def explain_captions(model, found, examples, count=IMAGES):
    """Some images of a report, each with a map for every word that the model wrote.

    Args:
        model: The captioner that was reported on.
        found: Its `CaptionReport`.
        examples: The `Examples` it was made on.
        count: Images, drawn from all.

    Returns:
        list of dicts: `place` (in `found.rows`), `pixels` uint8 `(H, W, 3)` as the model got it, `maps`: a list of
        dicts with `word` and `pixels`, the same with the word's attention over it, the most looked at place
        brightest.

    Raises:
        NoFeatureMapError: The decoder sees the image as one vector, so it looks at no place.
    """
    (image,) = examples.schema.of_kind("image")
    places = shown_images(found, count)
    some = examples.take(found.rows[places])
    try:
        written = attention_maps(model, some)
    except ValueError as reason:
        raise NoFeatureMapError(str(reason)) from None
    images = some.banks[image.name].fetch(some.arrays[image.name])[0].numpy()
    rows = []
    for place, pixels, (words, maps) in zip(places, images, written, strict=True):
        heat = tf.image.resize(maps[..., None], pixels.shape[:2])[..., 0].numpy()
        heat /= np.maximum(heat.max(axis=(1, 2), keepdims=True), 1e-12)
        looked = [
            {"word": word, "pixels": overlay_heatmap(pixels, one)} for word, one in zip(words, heat, strict=True)
        ]
        rows.append({"place": int(place), "pixels": pixels, "maps": looked})
    return rows
