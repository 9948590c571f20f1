"""Who a drawn face is of, and how that person looks in one image."""

import dataclasses

AGES = ("young", "middle-aged", "elderly")
EXPRESSIONS = ("neutral", "smiling", "surprised")

# Shares of the people.
GLASSES = 0.4
BEARD = 0.4  # of the men
# Share of the images.
HAT = 0.25

SKIN = ((250, 222, 200), (238, 196, 164), (214, 164, 126), (176, 122, 86), (128, 84, 58), (92, 60, 44))
HAIR = {
    "black": (30, 26, 26),
    "brown": (98, 62, 38),
    "blond": (216, 178, 104),
    "red": (168, 66, 34),
    "gray": (196, 196, 200),
}
EYES = ((70, 46, 30), (58, 104, 60), (60, 110, 170))

# Sizes as fractions of the image's width: mean and standard deviation.
SIZES = {
    "face_width": (0.245, 0.022),
    "face_height": (0.315, 0.02),
    "eye_distance": (0.112, 0.013),
    "eye_height": (0.035, 0.014),
    "eye_size": (0.034, 0.005),
    "brow_height": (0.075, 0.01),
    "nose_length": (0.125, 0.022),
    "nose_width": (0.04, 0.01),
    "mouth_width": (0.09, 0.016),
    "mouth_height": (0.175, 0.014),
}


@dataclasses.dataclass(frozen=True)
class Person:
    """What all images of a person have in common.

    Args:
        sex: `"man"` or `"woman"`.
        age: One of `AGES`.
        glasses: bool.
        beard: bool; of men alone.
        hair: One of `HAIR`; that of an elderly person is gray.
        skin: Color, tuple of three floats in 0..255.
        hair_color: The shade of the hair.
        eyes: Color.
        sizes: dict of the names in `SIZES` to fractions of the image's width.

    Example:

    ```python
    person = sample_person(np.random.default_rng(0))
    person.age, person.sizes["eye_distance"]
    ```
    """

    sex: str
    age: str
    glasses: bool
    beard: bool
    hair: str
    skin: tuple
    hair_color: tuple
    eyes: tuple
    sizes: dict

    def __post_init__(self):
        if self.sex not in ("man", "woman") or self.age not in AGES:
            raise ValueError(
                f"Person: sex must be man or woman and age one of {AGES}, not {self.sex!r}, {self.age!r}."
            )
        if self.hair not in HAIR:
            raise ValueError(f"Person: hair must be one of {', '.join(HAIR)}, not {self.hair!r}.")
        if self.beard and self.sex == "woman":
            raise ValueError("Person: in this world, men alone have a beard.")
        if set(self.sizes) != set(SIZES):
            raise ValueError(f"Person: sizes must name {', '.join(SIZES)}, not {', '.join(self.sizes)}.")


@dataclasses.dataclass(frozen=True)
class Look:
    """What is different in each image of a person.

    Args:
        expression: One of `EXPRESSIONS`.
        hat: Color of a hat; None for no hat.
        angle: Rotation in degrees.
        shift: Position of the face, fractions of the image's width to the right and down.
        scale: Size of the face; 1 is its own.
        light: Factors of red, green and blue.
        ground: Color of the background.
    """

    expression: str
    hat: tuple | None
    angle: float
    shift: tuple
    scale: float
    light: tuple
    ground: tuple

    def __post_init__(self):
        if self.expression not in EXPRESSIONS:
            raise ValueError(f"Look: expression must be one of {EXPRESSIONS}, not {self.expression!r}.")


def sample_person(rng):
    """Draw a person by chance. Every attribute is independent of the others, but for beards and gray hair.

    Args:
        rng: `np.random.Generator`.

    Returns:
        A `Person`.

    Example:

    ```python
    people = [sample_person(np.random.default_rng(number)) for number in range(100)]
    ```
    """
    sex, age = ("man", "woman")[rng.integers(2)], AGES[rng.integers(len(AGES))]
    glasses, beard = rng.random() < GLASSES, rng.random() < BEARD and sex == "man"
    *younger, gray = HAIR
    hair = gray if age == "elderly" else younger[rng.integers(len(younger))]
    skin, eyes = (_shade(rng, palette[rng.integers(len(palette))]) for palette in (SKIN, EYES))
    shade = _shade(rng, HAIR[hair])
    sizes = {name: float(rng.normal(mean, deviation)) for name, (mean, deviation) in SIZES.items()}
    # The smallest nose, brow and eye that can be drawn.
    sizes = {name: max(value, 0.012) for name, value in sizes.items()}
    return Person(sex, age, bool(glasses), beard, hair, skin, shade, eyes, sizes)


def sample_look(rng):
    """Draw by chance what one image of a person looks like.

    Args:
        rng: `np.random.Generator`.

    Returns:
        A `Look`.

    Example:

    ```python
    image = draw_face(person, sample_look(rng), rng)
    ```
    """
    expression = EXPRESSIONS[rng.integers(len(EXPRESSIONS))]
    hat = tuple(rng.uniform(30, 220, 3).tolist())
    hat = hat if rng.random() < HAT else None
    light = rng.uniform(0.75, 1.15) * rng.uniform(0.93, 1.07, 3)
    return Look(
        expression,
        hat,
        float(rng.normal(0, 5)),
        tuple(rng.normal(0, 0.025, 2).tolist()),
        float(rng.uniform(0.93, 1.07)),
        tuple(light.tolist()),
        tuple(rng.uniform(90, 240, 3).tolist()),
    )


def _shade(rng, color):
    return tuple(rng.normal(color, 9).tolist())
