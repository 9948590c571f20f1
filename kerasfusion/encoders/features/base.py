"""How one kind of feature is encoded."""

from typing import ClassVar


class Encoding:
    """Base class of the registry's entries.

    Attributes:
        family: dict name -> class of the encoders to choose from.
        default: Name of the one that is taken where none is named.
        described: Whether the encoders have a method `describe`: numbers for a linear model.
    """

    family: ClassVar[dict] = {}
    default = ""
    described = False

    def arguments(self, feature):
        """Arguments of an encoder that the `Feature` decides, beside `units` and `name`."""
        return {}

    def rebuilt(self, feature):
        """Arguments that an encoder's `get_config` leaves out."""
        return {}

    def tokens(self, feature):
        """Number of tokens in an encoder's `sequence`; None where the encoder decides it."""
        return 1

    def named_axis(self, feature, weight):
        """The axis of an encoder's weight that is counted in words, categories or columns: `(axis, names along it)`.

        `(None, ())` where there is none. With it weights are carried over to another schema by name.
        """
        return None, ()
