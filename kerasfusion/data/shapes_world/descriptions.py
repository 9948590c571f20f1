"""Words for objects: which of their attributes are said, and whether that is enough to tell them apart."""

import functools
import itertools

from kerasfusion.data.shapes_world.scene import ATTRIBUTES


def describe(item, attributes):
    """What is said of an object.

    Args:
        item: An `Object`.
        attributes: Names out of `ATTRIBUTES`, in that order.

    Returns:
        Tuple of (attribute, value) pairs: `(("size", "small"), ("shape", "circle"))`.
    """
    return tuple((attribute, getattr(item, attribute)) for attribute in attributes)


def phrase(description, plural=False):
    """A description in words, without an article.

    Args:
        description: What `describe` returns; may be empty.
        plural: Whether several are meant.

    Returns:
        A string: "small circle", "red things".
    """
    words = [value for _, value in description]
    if "shape" not in dict(description):
        words.append("thing")
    if plural:
        words[-1] += "es" if words[-1].endswith("s") else "s"
    return " ".join(words)


def unique_descriptions(item, others, hidden=None, least=1):
    """All descriptions of an object that fit none of the others.

    Args:
        item: An `Object`.
        others: The objects it must be told apart from.
        hidden: An attribute that must not be said: the one that is asked for.
        least: Fewest attributes to say; 0 allows a bare "thing".

    Returns:
        List of descriptions, shortest first.
    """
    # A description tells two objects apart when it says an attribute in which they differ.
    differences = [{name for name in ATTRIBUTES if getattr(item, name) != getattr(other, name)} for other in others]
    return [
        describe(item, attributes)
        for attributes in _choices(hidden, least)
        if not any(difference.isdisjoint(attributes) for difference in differences)
    ]


@functools.cache
def _choices(hidden, least):
    """The attributes that can be said together, in the order of the words."""
    allowed = [attribute for attribute in ATTRIBUTES if attribute != hidden]
    lengths = range(least, len(allowed) + 1)
    return [attributes for length in lengths for attributes in itertools.combinations(allowed, length)]
