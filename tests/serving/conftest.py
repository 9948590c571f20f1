"""What tests of the server share."""

import pytest
from toy_export import write_version


@pytest.fixture(scope="session")
def toy_exports(tmp_path_factory):
    """Factor -> folder of a version of the toy model."""
    folder = tmp_path_factory.mktemp("toy_exports")
    for factor in (2, 3):
        write_version(folder / str(factor), factor)
    return {factor: folder / str(factor) for factor in (2, 3)}
