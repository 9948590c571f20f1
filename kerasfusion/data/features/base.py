"""What the data layer does with the columns of one kind of feature."""

from kerasfusion.data.skipped_rows import SkippedRows
from kerasfusion.data.table import stripped


class FeatureColumns:
    """Base class of the registry's entries: columns whose cells are strings, of which an array is made at once.

    A kind whose cells are files (`FeatureKind.stored`) has `read_columns` and `read_again` instead of `encode`.
    """

    # What a fingerprint hashes of the kind: pairs of a label and a field of `Examples`.
    hashed: tuple = ()
    # Whether two rows with the same cells are copies of one another.
    identifies = False
    # Whether the cells are sentences, which may name a class.
    sentences = False

    def find(self, frame, free):
        """Look for the kind's columns where none was named; of kinds that are `inferred`.

        Args:
            frame: A frame from `read_table`.
            free: Names of the columns that have no role yet.

        Returns:
            tuple: the columns found, and how that was decided.
        """
        raise NotImplementedError

    def check(self, frame, column):
        """Raise a `DataError` where a column does not suit the kind."""

    def clean(self, frame, column):
        """The column with missing cells as NaN and all others in one form."""
        return stripped(frame[column])

    def notes(self, frame, column, places=None):
        """Sentences on what looks odd in a clean column; `places`, of files, are the rows' places in the store."""
        return []

    def fit(self, frame, columns, name, limits, files=None):
        """Learn a `Feature` from training rows.

        Args:
            frame: The training rows, clean.
            columns: The columns of the feature.
            name: Its name.
            limits: dict of the settings of `kf.data.load` that bound what is learned; `features` is a list of those
                that were learned before.
            files: What `read_columns` gave, of kinds whose cells are files.

        Returns:
            tuple: the `Feature`, and `Setting`s to show.
        """
        raise NotImplementedError

    def encode(self, frame, feature, stored=None):
        """Turn clean rows into an array.

        Args:
            frame: Clean rows.
            feature: The `Feature`.
            stored: dict of each feature whose cells are files -> `(places, store)` of the rows.

        Returns:
            tuple: the array `(n, …)`, and bool `(n,)`, whether the row has the feature.
        """
        raise NotImplementedError

    def left_out(self, frame, feature, stored):
        """The `SkippedRows` of which `encode` leaves out a part; its arguments are those of `encode`."""
        return SkippedRows()

    def missing(self, feature):
        """What a model reads where the feature is missing: a number, or one for each column."""
        return 0

    def words(self, feature, examples):
        """The strings that the rows hold, one a row; None where they hold none."""
        return None

    def raw_inputs(self, feature, examples):
        """What a client sends to an exported model: dict of a signature's input -> a list or an array of the rows."""
        return {feature.name: examples.arrays[feature.name]}

    def profile(self, feature, splits, sizes=None):
        """What the report says of the feature's cells, as JSON: dict of names -> what is known of each.

        Args:
            feature: A `Feature`.
            splits: dict name -> `Examples`.
            sizes: int32 `(files, 2)`, heights and widths of files as they came, or None.
        """
        raise NotImplementedError

    def lacking(self, feature, examples):
        """Which rows lack the feature in the table: bool `(n,)`."""
        return ~examples.present[feature.name]

    def cells(self, feature, examples):
        """The cells by which rows are told to be equal: a list of arrays `(n,)`."""
        return [examples.frame[column] for column in feature.columns]
