"""Captions word by word, with what the model looked at for each."""

import numpy as np
import tensorflow as tf

from kerasfusion.evaluation.caption_report import shown_pictures
from kerasfusion.evaluation.captions import attention_maps
from kerasfusion.explain.class_activation import NoActivation
from kerasfusion.explain.overlay import overlay

PICTURES = 4


def explained_words(model, found, examples, count=PICTURES):
    """Some pictures of a report, each with a map for every word that the model wrote.

    Args:
        model: The captioner that was reported on.
        found: Its `CaptionReport`.
        examples: The `Examples` it was made on.
        count: Pictures, drawn from all.

    Returns:
        list of dicts: `place` (in `found.rows`), `picture` uint8 `(H, W, 3)` as the model got it, `maps`: a list of
        dicts with `word` and `picture`, the same with the word's attention over it, the most looked at place
        brightest.

    Raises:
        NoActivation: The decoder sees the picture as one vector, so it looks at no place.
    """
    (image,) = examples.schema.of_kind("image")
    places = shown_pictures(found, count)
    some = examples.take(found.rows[places])
    try:
        written = attention_maps(model, some)
    except ValueError as reason:
        raise NoActivation(str(reason)) from None
    pictures = some.banks[image.name].fetch(some.images[image.name])[0].numpy()
    rows = []
    for place, picture, (words, maps) in zip(places, pictures, written, strict=True):
        heat = tf.image.resize(maps[..., None], picture.shape[:2])[..., 0].numpy()
        heat /= np.maximum(heat.max(axis=(1, 2), keepdims=True), 1e-12)
        looked = [{"word": word, "picture": overlay(picture, one)} for word, one in zip(words, heat, strict=True)]
        rows.append({"place": int(place), "picture": picture, "maps": looked})
    return rows
