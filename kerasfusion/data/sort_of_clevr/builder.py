"""Sort-of-CLEVR as a TensorFlow data set, made on the spot."""

import dataclasses
import functools
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from kerasfusion.data.shapes_world.draw import encode_png
from kerasfusion.data.sort_of_clevr.questions import ask
from kerasfusion.data.sort_of_clevr.scene import COLORS, IMAGE_SIZE, SHAPES, draw_scene, sample_scenes
from kerasfusion.data.tfds_prepare import prepare_builder

_DESCRIPTION = """
Images of six objects, one of each of six colors, each a circle or a square, with 10 questions about single objects
(its shape, left or right, top or bottom) and 10 about how objects relate (the shape of the closest and of the
furthest, how many have the same shape), after Santoro et al. 2017, arXiv 1706.01427.

Everything is made by a program from a seed: nothing is downloaded. No scene appears in two splits.
"""


@dataclasses.dataclass(kw_only=True)
class SortOfClevrConfig(tfds.core.BuilderConfig):
    """How much to make.

    Args:
        train: Number of training scenes.
        test: Number of test scenes.
        skip: Number of scenes that are drawn after the training scenes and left out before those of the test.
        seed: Where all chance comes from.
    """

    train: int
    test: int
    skip: int = 0
    seed: int = 0

    def __post_init__(self):
        for name, least in (("train", 1), ("test", 1), ("skip", 0)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"SortOfClevrConfig {self.name!r}: {name} must be at least {least}, not {getattr(self, name)}."
                )


class SortOfClevr(tfds.core.GeneratorBasedBuilder):
    """Scenes of six colored objects with 20 questions each, as splits `train` and `test` (arXiv 1706.01427).

    Configs: `default` has the paper's 9,800 / 200 scenes; `fresh` has the same training scenes and 2,000 other test
    scenes, for finer scores; `quick` has 200 / 40. An example is a dict of

    - `image`: uint8 (75, 75, 3).
    - `scene`: class numbers `color`, `shape` and int64 `x`, `y` of the centers in pixels, one entry per object each.
    - `questions`: strings `question`, `answer`, `type`, `subtype`, one entry per question each.
    - `index`: its number in the split.

    Example:
    ```python
    builder = SortOfClevr(config="quick")
    builder.download_and_prepare()
    for example in builder.as_dataset(split="test"):
        print(example["questions"]["question"])
    ```
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "First release."}
    BUILDER_CONFIGS: ClassVar = [
        SortOfClevrConfig(name="default", description="The paper's 9,800 and 200 scenes.", train=9800, test=200),
        SortOfClevrConfig(name="fresh", description="2,000 other test scenes.", train=9800, test=2000, skip=200),
        SortOfClevrConfig(name="quick", description="200 training scenes, for trials.", train=200, test=40),
    ]

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(IMAGE_SIZE, IMAGE_SIZE, 3), encoding_format="png"),
                    "scene": tfds.features.Sequence(
                        {
                            "color": tfds.features.ClassLabel(names=COLORS),
                            "shape": tfds.features.ClassLabel(names=SHAPES),
                            "x": np.int64,
                            "y": np.int64,
                        }
                    ),
                    "questions": tfds.features.Sequence(
                        {name: tfds.features.Text() for name in ("question", "answer", "type", "subtype")}
                    ),
                    "index": np.int64,
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in self._numbers}

    def _generate_examples(self, split):
        for index, number in enumerate(self._numbers[split]):
            scene = self._scenes[number]
            # Chance of its own for each scene, whatever else is made.
            rng = np.random.default_rng([self.builder_config.seed, 1, number])
            x, y = scene.places.T.tolist()
            yield (
                index,
                {
                    "image": encode_png(draw_scene(scene)),
                    "scene": {"color": list(COLORS), "shape": list(scene.shapes), "x": x, "y": y},
                    "questions": [question._asdict() for question in ask(scene, rng)],
                    "index": index,
                },
            )

    @property
    def _numbers(self):
        """Split -> the numbers of its scenes. Those of `default` and `fresh` are parts of the same scenes."""
        config = self.builder_config
        first = config.train + config.skip
        return {"train": range(config.train), "test": range(first, first + config.test)}

    @functools.cached_property
    def _scenes(self):
        """All scenes, drawn together: none may repeat another's."""
        config = self.builder_config
        return sample_scenes(np.random.default_rng([config.seed, 0]), self._numbers["test"].stop)


def prepare(config="default", data_dir=None, progress=False):
    """Makes the data set where it is not yet there. Needs no network.

    Args:
        config: `"default"`, `"fresh"`, `"quick"`, or a `SortOfClevrConfig` of your own.
        data_dir: Folder for data sets. None is that of TensorFlow Datasets: `TFDS_DATA_DIR`, or a folder in
            the home directory.
        progress: Whether to show progress bars.

    Returns:
        The `SortOfClevr` builder, ready for `as_dataset`.

    Raises:
        ValueError: No such config.

    Example:
    ```python
    train = prepare("quick").as_dataset(split="train")
    ```
    """
    return prepare_builder(SortOfClevr, config, data_dir, progress)
