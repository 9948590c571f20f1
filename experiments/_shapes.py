"""Images of one shape each, with a sentence: what tutorials 13 and 14 encode and generate."""

import dataclasses

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.neighbors import NearestNeighbors

import kerasfusion as kf
from kerasfusion.data.shapes_world import Scene, draw_scene, encode_png, place_of, placed, sample_object


def draw_shapes(sizes, seed):
    """Draw shapes whose sentences always name the place.

    Args:
        sizes: dict split -> number of rows.
        seed: Seed of the shapes and the backgrounds.

    Returns:
        pandas.DataFrame: `image` (PNG bytes, 64 pixels wide), `text` and `split`.
    """
    rng, rows = np.random.default_rng(seed), []
    for split, size in sizes.items():
        for _ in range(size):
            item = sample_object(rng)
            rows.append({"image": _png(item, rng), "text": placed(item), "split": split})
    return pd.DataFrame(rows)


def draw_labelled_shapes(sizes, unseen=()):
    """Draw shapes of which every second sentence leaves the place out.

    Args:
        sizes: dict split -> number of rows.
        unseen: Pairs of color and shape that training images never show.

    Returns:
        pandas.DataFrame: `image` (PNG bytes, 64 pixels wide), `text`, `split`, and the shape's true `size`, `color`,
        `shape` and `place`.
    """
    rows = []
    for stream, (split, size) in enumerate(sizes.items()):
        rng = np.random.default_rng([len(unseen), stream])
        for i in range(size):
            item = sample_object(rng)
            while (item.color, item.shape) in unseen and split == "train":
                item = sample_object(rng)
            truth = {"size": item.size, "color": item.color, "shape": item.shape, "place": place_of(item)}
            image = _png(item, rng)
            rows.append({"image": image, "text": placed(item, i % 2 == 0), "split": split, **truth})
    return pd.DataFrame(rows)


def draw_same_sentence(row, count, rng):
    """Draw several images that the sentence of a row describes.

    Args:
        row: A row of `draw_labelled_shapes`.
        count: Number of images.
        rng: `numpy.random.Generator`.

    Returns:
        uint8 array `(count, 32, 32, 3)`.
    """
    images = []
    while len(images) < count:
        item = sample_object(rng)
        item = dataclasses.replace(item, shape=row["shape"], color=row["color"], size=row["size"])
        if " at " not in row["text"] or place_of(item) == row["place"]:
            images.append(_png(item, rng))
    return np.asarray(kf.preprocessing.decode_images(images, (32, 32))[0])


def pixels(examples):
    """The images of `Examples`, uint8 array `(n, 32, 32, 3)`."""
    return np.asarray(kf.preprocessing.decode_images(examples.raw_inputs()["image_bytes"], (32, 32))[0])


def bag_of_words(examples):
    """Whether each sentence contains each word of the vocabulary, int array `(n, V)` of 0 and 1."""
    text = examples.schema["text"]
    vectorizer = CountVectorizer(vocabulary=text.vocabulary, token_pattern=r"\S+", binary=True)
    return vectorizer.transform(examples.raw(text)).toarray()


def distance_to_nearest(images, training_images):
    """Mean squared distance per pixel value of images in 0..1 to the nearest training image."""
    flat, training = (array.reshape(len(array), -1) for array in (images, training_images))
    distances, _ = NearestNeighbors(n_neighbors=1).fit(training).kneighbors(flat)
    return np.mean(distances**2) / flat.shape[1]


def _png(item, rng):
    return encode_png(draw_scene(Scene((item,)), rng))
