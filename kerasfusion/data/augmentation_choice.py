"""Which changes of an image leave the meaning of its row alone: told by the training texts and the class names."""

import re

import pandas as pd

from kerasfusion.data.features import FEATURES
from kerasfusion.preprocessing.augmentation import Augmentation

# Words that a mirrored image makes wrong: sides, points of the compass, writing. English, German, French, Spanish,
# Italian, Portuguese, Dutch, Russian, Chinese and Japanese, Korean, Arabic. Too many are matched rather than too few.
SIDES = (
    r"\b(?:left|right|west|east|clockwise|counterclockwise|anticlockwise|mirror|letters?\b|digits?\b|written\b"
    r"|links|rechts|linke|rechte[nrsm]?\b|östlich|westlich|osten|westen"
    r"|gauche|droite?\b|ouest|izquierd|derech|oeste|sinistr[aoei]\b|destr[aoei]\b|esquerd|direit"
    r"|лев|прав|слева|справа|налево|направо|запад|восток|восточн)\w*"
    r"|[左右东東西]|왼|오른|يسار|يمين"
)
# Words that other light makes wrong.
COLORS = (
    r"\b(?:colou?r|hue|red|green|blue|yellow|orange|purple|violet|pink|brown|black|white|gr[ae]y|cyan|magenta|teal"
    r"|turquoise|golden|gold|silver|beige|maroon|navy|olive|lilac|bright|dark|light(?:er|est|ness)|pale|blond"
    r"|farb|rot(?:e[mnrs]?)?\b|grün|blau|gelb|schwarz|weiß|weiss|braun|grau|lila|rosa|hell(?:e[mnrs]?)?\b|dunkel"
    r"|couleur|rouge|verte?s?\b|bleu|jaune|noire?s?\b|blanc|gris|marron|rose"
    r"|roj[oa]|verde|azul|amarill|negr[oa]|blanc[oa]|morad|naranja"
    r"|colore|ross[oaie]\b|blu\b|giall|ner[oaie]\b|bianc|grigi|marrone"
    r"|cor(?:es)?\b|vermelh|amarel|pret[oa]|branc|cinza|roxo|rood|groen|blauw|geel|zwart|witte\b|kleur"
    r"|цвет|красн|зелен|зелён|син[ийяе]|голуб|желт|жёлт|черн|чёрн|бел[ыоа]|сер[ыоа]|коричнев)\w*"
    r"|[色红紅赤绿綠緑蓝藍青黄黃黑黒白灰紫粉橙棕褐]|빨간|빨강|파란|파랑|초록|노란|노랑|검은|검정|하얀|흰|أحمر|أخضر|أزرق|أصفر|أسود|أبيض"
)


def choose_augmentation(examples, strength="light"):
    """The augmentation that is safe for these rows, and why.

    Images are mirrored only if no text and no class name speaks of sides or of writing; brightness, contrast and
    saturation are changed only if none speaks of colors. A number to predict rules out both, as it may be an angle or
    a brightness, and classes of one character each rule out mirroring. Images are shifted and zoomed all the same: a
    number that is a position in them would become wrong, as the reason says. Beside boxes no image is moved. What
    is drawn in the images is not looked at: a label that changes when its image is mirrored, and says so nowhere, is
    not found out.

    Args:
        examples: The training `Examples`.
        strength: `"light"` or `"strong"`.

    Returns:
        tuple: `(Augmentation, reason)`; the reason is a sentence for people.

    Raises:
        ValueError: No such strength, or there are no images.

    Example:

    ```python
    augmentation, reason = kf.data.choose_augmentation(data.splits["train"])
    reason  # "no mirroring: 12 of 48 texts (text) have words like 'left'; no other light: the class 'red' of 'label'"
    ```
    """
    if not examples.schema.of_kind("image"):
        raise ValueError("There are no images to augment. Leave augmentation out.")
    tasks = examples.schema.tasks
    boxes = [feature.columns[0] for feature in examples.schema.of_kind("boxes")]
    boxes += [task.column for task in tasks if task.is_box]
    against_flip = _named(SIDES, examples) or _numbers(tasks) or _boxes(tasks) or _characters(tasks)
    against_color = _named(COLORS, examples) or _numbers(tasks)
    augmentation = Augmentation(strength, flip=not against_flip, color=not against_color, move=not boxes)
    reasons = (
        f"nothing is moved: the boxes ({boxes[0]}) would not move with it"
        if boxes
        else f"no mirroring: {against_flip}"
        if against_flip
        else "mirroring: no text or class names a side",
        f"no other light: {against_color}" if against_color else "other light: no text or class names a color",
    )
    number = next((task.title for task in tasks if task.is_number), None)
    if number is not None and not boxes:
        reasons += (f"images are shifted all the same: leave augmentation out if {number!r} is a position in them",)
    return augmentation, "; ".join(reasons)


def _named(pattern, examples):
    """The first text feature or class that has such a word, as words for people; "" if none has."""
    pattern = f"({pattern})"
    for feature in examples.schema.features:
        texts = FEATURES[feature.kind].words(feature, examples)
        if texts is None:
            continue
        counts = pd.Series(texts, dtype=object).value_counts()
        found = pd.Series(counts.index, dtype=object).str.extract(pattern, re.IGNORECASE, expand=False)
        rows = pd.Series(counts.to_numpy()).groupby(found.to_numpy()).sum()
        if len(rows):
            return f"{rows.sum():,} of {len(examples):,} texts ({feature.title}) have words like {rows.idxmax()!r}"
    for task in examples.schema.tasks:
        for name in task.classes:
            if re.search(pattern, name, re.IGNORECASE):
                return f"the class {name!r} of {task.title!r}"
    return ""


def _numbers(tasks):
    numbers = (task.title for task in tasks if task.is_number)
    return next((f"{name!r} is a number, which may change with it" for name in numbers), "")


def _boxes(tasks):
    return next((f"{task.title!r} is a box, which would be mirrored with it" for task in tasks if task.is_box), "")


def _characters(tasks):
    single = (task.title for task in tasks if task.classes and all(len(name) == 1 for name in task.classes))
    return next((f"the classes of {name!r} are single characters" for name in single), "")
