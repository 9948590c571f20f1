"""What preprocessing does with the raw inputs of one kind of feature."""


class RawFeature:
    """Base class of the registry's entries."""

    def resource(self, feature):
        """What holds the feature's lookup table, built and for an export to track; None where there is none."""
        return None

    def read(self, feature, raw, resource, max_pixels):
        """Turn raw inputs into a model's.

        Args:
            feature: A `Feature`.
            raw: Tensor `(B, …)` of what a caller sends.
            resource: What `resource` gave.
            max_pixels: Images of more pixels count as unreadable.

        Returns:
            tuple: the model's input, and bool `(B,)`, whether the feature is there.
        """
        raise NotImplementedError
