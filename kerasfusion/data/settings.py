"""What was inferred of a data set, or set, and why."""

import typing


class Setting(typing.NamedTuple):
    """One setting of a data set, inferred or given.

    Args:
        name: What it is, such as `"image size"`.
        value: Its value, for people.
        reason: Why it has that value.
        option: The command line's option that changes it.
    """

    name: str
    value: str
    reason: str
    option: str
