"""What serving does with one kind of feature."""


class ServedFeature:
    """Base class of the registry's entries."""

    def spec(self, feature):
        """The `tf.TensorSpec` of a signature's input."""
        raise NotImplementedError

    def table_bytes(self, feature):
        """Bytes that an export's lookup table takes."""
        return 0
