"""How many generated cases a test tries: a few in the default run, thousands with `pytest -m hostile`."""

import os

import hypothesis

VARIABLE = "KERASFUSION_HOSTILE"


def many_wanted():
    """Whether this run tries thousands of cases: `pytest -m hostile`, or `KERASFUSION_HOSTILE=1`."""
    return os.environ.get(VARIABLE) == "1"


def examples(few, many, **settings):
    """Settings for a hypothesis test that is short by default and long with `pytest -m hostile`.

    The short run tries the same cases each time; the long one tries new ones.

    Args:
        few: Cases to try in the default run.
        many: Cases to try with `pytest -m hostile`.
        **settings: More arguments of `hypothesis.settings`.

    Returns:
        `hypothesis.settings`, a decorator.

    Example:
    ```python
    @pytest.mark.hostile
    @examples(50, 5_000)
    @given(st.text())
    def test_any_text(text): ...
    ```
    """
    return hypothesis.settings(
        max_examples=many if many_wanted() else few,
        derandomize=not many_wanted(),
        deadline=None,
        database=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
        **settings,
    )
