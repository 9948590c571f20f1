"""What serving does with one kind of feature."""


class ServedFeature:
    """Base class of the registry's entries."""

    def spec(self, feature):
        """The `tf.TensorSpec` of a signature's input."""
        raise NotImplementedError

    def categories(self, feature):
        """What the whole numbers from 0 that a client sends stand for; empty where it sends none."""
        return ()

    def table_bytes(self, feature):
        """Bytes that an export's lookup table takes."""
        return 0
