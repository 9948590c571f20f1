"""A person's description in words, and how often two people have the same one."""

from kerasfusion.data.faces_world.person import AGES, BEARD, GLASSES


def describe_person(person):
    """Describe what all images of a person show: "an elderly man with glasses and a beard".

    Args:
        person: A `Person`.

    Returns:
        str

    Example:

    ```python
    describe_person(sample_person(np.random.default_rng(0)))
    ```
    """
    article = "an" if person.age[0] in "aeiou" else "a"
    things = ["glasses"] * person.glasses + ["a beard"] * person.beard
    return " ".join([article, person.age, person.sex] + (["with", " and ".join(things)] if things else []))


def describe(person, look):
    """Describe one image: the person, and behind a comma what changes from image to image.

    Args:
        person: A `Person`.
        look: A `Look`.

    Returns:
        str: such as "a young woman with glasses, smiling, in a hat".

    Example:

    ```python
    rng = np.random.default_rng(0)
    describe(sample_person(rng), sample_look(rng))
    ```
    """
    changing = [look.expression] * (look.expression != "neutral") + ["in a hat"] * (look.hat is not None)
    return ", ".join([describe_person(person), *changing])


def share_of_same_description():
    """Compute the probability that two people have the same `describe_person`, from the shares they are drawn by.

    With a description of every image, verification by text alone accepts all pairs of one person and this share of
    the others: its equal error rate is `q / (1 + q)`.

    Returns:
        float

    Example:

    ```python
    q = share_of_same_description()  # 0.066
    ```
    """
    men = 0.25 * _same(BEARD)
    women = 0.25
    return (men + women) * _same(GLASSES) / len(AGES)


def _same(share):
    return share**2 + (1 - share) ** 2
