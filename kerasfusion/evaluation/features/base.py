"""What the evaluation does with one kind of feature."""


class EvaluatedFeature:
    """Base class of the registry's entries.

    Attributes:
        corruptions: `Corruption`s to try in a test of robustness, beside taking the features away.
        what: What is taken away, for people: `"text"`.
    """

    corruptions: tuple = ()
    what = ""

    def keys(self, feature, examples):
        """Strings `(n,)` for the baseline that gives the best answer for what was seen in training; None for none."""
        return None

    def shown(self, feature, examples, position):
        """What a page shows of one row: JSON values beside `name` and `kind`."""
        raise NotImplementedError

    def sample(self, feature, examples):
        """An example to stand in a sample request, as JSON; None for a file."""
        raise NotImplementedError
