"""The shapes world as a TensorFlow data set, made on the spot."""

import dataclasses
import functools
import itertools
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from kerasfusion.data.shapes_world.captions import caption
from kerasfusion.data.shapes_world.draw import IMAGE_SIZE, draw_scene, encode_png
from kerasfusion.data.shapes_world.questions import ask
from kerasfusion.data.shapes_world.scene import ATTRIBUTES, COLORS, SHAPES, sample_scene
from kerasfusion.data.tfds_prepare import prepare_builder

QUESTIONS_PER_TYPE = 3

# One of each shape, so that each is met in other colors, and four colors, so that each is met in other shapes.
HELD_OUT = (("red", "cross"), ("green", "triangle"), ("blue", "circle"), ("yellow", "square"))

# What chance is used for: see `ShapesWorld._rng`.
_SCENE, _QUESTIONS_AND_IMAGE = 0, 1

_DESCRIPTION = """
Small images of colored shapes, each with what it shows, a caption that says it and 12 questions about it:
whether something is there, how many there are, what color, shape or size something has, and how two things lie
to each other.

Everything is made by a program from a seed: nothing is downloaded. The words of a question tell next to
nothing about its answer, and no scene appears in two splits.
"""


@dataclasses.dataclass(kw_only=True)
class ShapesWorldConfig(tfds.core.BuilderConfig):
    """How much to make.

    Args:
        train: Number of training scenes.
        validation: Number of validation scenes.
        test: Number of test scenes.
        seed: Where all chance comes from.
        held_out: Pairs `(color, shape)` that no training or validation scene has, while test scenes have them as
            often as any: can a model name what it knows in company that it does not?
        plain: Whether questions name objects in few words, see `ask`.
    """

    train: int
    validation: int
    test: int
    seed: int = 0
    held_out: tuple[tuple[str, str], ...] = ()
    plain: bool = True

    def __post_init__(self):
        self.held_out = tuple(map(tuple, self.held_out))
        pairs = list(itertools.product(COLORS, SHAPES))
        odd = [pair for pair in self.held_out if pair not in pairs]
        if odd or len(self.held_out) * 2 > len(pairs):
            raise ValueError(
                f"ShapesWorldConfig {self.name!r}: held_out takes (color, shape) pairs, at most half of the "
                f"{len(pairs)}, such as {pairs[0]}; it has {odd or self.held_out}."
            )
        for split, size in self.sizes.items():
            if size < 1:
                raise ValueError(f"ShapesWorldConfig {self.name!r}: {split} must be at least 1, not {size}.")

    @property
    def sizes(self):
        """Dict split -> number of scenes."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


class ShapesWorld(tfds.core.GeneratorBasedBuilder):
    """Scenes of colored shapes with captions and questions, as splits `train`, `validation` and `test`.

    Configs: `default` (4,000 / 500 / 500 scenes), `quick` (300 / 60 / 60), `large` (20,000 / 500 / 500), `held_out`,
    as `large`, where the pairs in `HELD_OUT` are in test scenes alone, and `relations`, as `default`, with longer
    questions and yes or no questions about two objects. An example is a dict of

    - `image`: uint8 (64, 64, 3).
    - `scene`: class numbers `shape`, `color`, `size` and float32 `x`, `y`, one entry per object each.
    - `caption`: a sentence that says of every object its size, color and shape.
    - `questions`: strings `question`, `answer`, `type`, one entry per question each.
    - `index`: its number in the split.

    Example:
    ```python
    builder = ShapesWorld(config="quick")
    builder.download_and_prepare()
    for example in builder.as_dataset(split="test"):
        print(example["questions"]["question"])
    ```
    """

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES: ClassVar = {
        "1.0.0": "First release.",
        "1.1.0": "Captions; the rest is as it was.",
        "2.0.0": "Plain questions; those of 1.1.0 are in `relations`.",
    }
    BUILDER_CONFIGS: ClassVar = [
        ShapesWorldConfig(name="default", description="4,000 training scenes.", train=4000, validation=500, test=500),
        ShapesWorldConfig(
            name="quick", description="300 training scenes, for trials.", train=300, validation=60, test=60
        ),
        ShapesWorldConfig(
            name="large", description="20,000 training scenes.", train=20_000, validation=500, test=500
        ),
        ShapesWorldConfig(
            name="held_out",
            description="Pairs of color and shape that the test split alone has.",
            train=20_000,
            validation=500,
            test=500,
            held_out=HELD_OUT,
        ),
        ShapesWorldConfig(
            name="relations",
            description="The scenes of `default` with longer questions, and yes or no questions about two objects.",
            train=4000,
            validation=500,
            test=500,
            plain=False,
        ),
    ]

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(IMAGE_SIZE, IMAGE_SIZE, 3), encoding_format="png"),
                    "scene": tfds.features.Sequence(
                        {name: tfds.features.ClassLabel(names=values) for name, values in ATTRIBUTES.items()}
                        | {"x": np.float32, "y": np.float32}
                    ),
                    "caption": tfds.features.Text(),
                    "questions": tfds.features.Sequence(
                        {name: tfds.features.Text() for name in ("question", "answer", "type")}
                    ),
                    "index": np.int64,
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in self.builder_config.sizes}

    def _generate_examples(self, split):
        for index, scene in enumerate(self._scenes[split]):
            rng = self._rng(split, index, _QUESTIONS_AND_IMAGE)
            yield (
                index,
                {
                    "image": encode_png(draw_scene(scene, rng)),
                    "scene": [dataclasses.asdict(item) for item in scene.objects],
                    "caption": caption(scene),
                    "questions": [question._asdict() for question in self._ask(scene, rng)],
                    "index": index,
                },
            )

    def _ask(self, scene, rng):
        return ask(scene, rng, QUESTIONS_PER_TYPE, self.builder_config.plain)

    @functools.cached_property
    def _scenes(self):
        """Split -> its scenes, made together: none may repeat another's, whichever split is written first."""
        seen = set()
        scenes = {}
        for split, size in self.builder_config.sizes.items():
            unseen = () if split == "test" else self.builder_config.held_out
            scenes[split] = []
            for index in range(size):
                rng = self._rng(split, index, _SCENE)
                scene = sample_scene(rng)
                while scene.key() in seen or any((item.color, item.shape) in unseen for item in scene.objects):
                    scene = sample_scene(rng)
                seen.add(scene.key())
                scenes[split].append(scene)
        return scenes

    def _rng(self, split, index, purpose):
        """Chance of its own for each example and purpose, whatever else is made before or after."""
        config = self.builder_config
        return np.random.default_rng([config.seed, list(config.sizes).index(split), index, purpose])


def prepare(config="default", data_dir=None, progress=False):
    """Makes the data set where it is not yet there. Needs no network.

    Args:
        config: `"default"`, `"quick"`, or a `ShapesWorldConfig` of your own.
        data_dir: Folder for data sets. None is that of TensorFlow Datasets: `TFDS_DATA_DIR`, or a folder in
            the home directory.
        progress: Whether to show progress bars.

    Returns:
        The `ShapesWorld` builder, ready for `as_dataset`.

    Raises:
        ValueError: No such config.

    Example:
    ```python
    train = prepare("quick").as_dataset(split="train")
    ```
    """
    return prepare_builder(ShapesWorld, config, data_dir, progress)
