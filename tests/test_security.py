"""Models load without code; nothing is written but where asked, and no network is used."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from test_stress import KINDS, Z, fit, read, rows_for

from sk_posenc.networks import _checkpoint

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", KINDS)
def test_skops_needs_trust_in_this_package_alone(name):
    sio = pytest.importorskip("skops.io", reason="skops is not installed")
    model = fit(name, clone(KINDS[name]))
    of_errors = {"return_std": True} if hasattr(model, "noise_variance_") else {}
    if of_errors:  # which are worked out when first asked for, and kept
        model.predict(rows_for(name, Z), **of_errors)
    expected, saved = read(name, model), sio.dumps(model)
    asked = sio.get_untrusted_types(data=saved)
    strangers = [each for each in asked if not each.startswith("sk_posenc.")]
    assert not strangers
    loaded = sio.loads(saved, trusted=asked)
    np.testing.assert_array_equal(read(name, loaded), expected)
    if of_errors:
        found, same = (each.predict(rows_for(name, Z), **of_errors) for each in (loaded, model))
        np.testing.assert_array_equal(found, same)
    with pytest.raises(sio.exceptions.UntrustedTypesFoundException):
        sio.loads(saved, trusted=[])


def test_a_checkpoint_runs_no_code(tmp_path):
    class Runs:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    file = tmp_path / "state"
    _checkpoint._write({"module": Runs()}, file)
    with pytest.raises(ValueError, match="is no checkpoint of this fit"):
        _checkpoint._read(file)
    assert not (tmp_path / "made").exists()


WATCHED = """
import sys
sys.path[:0] = {paths!r}
import torch
import sk_posenc
from test_stress import KINDS, clone, fit, read
seen = []
# what numerical libraries do by themselves
quiet = ("/dev/null", "/proc/", "/sys/")
def watch(event, args):
    if event == "open":
        path, mode, flags = args
        writes = isinstance(mode, str) and set(mode) & set("wax+")
        if writes and not str(path).startswith(quiet):
            seen.append((event, path, mode))
    elif event.startswith(("socket.", "urllib.", "http.", "ftplib.", "subprocess.", "os.system")):
        seen.append((event, *map(str, args)))
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink"):
        seen.append((event, *map(str, args)))
network = clone(KINDS["network"])
fit("network", network)  # imports what it needs
sys.addaudithook(watch)
for name in KINDS:
    read(name, fit(name, clone(KINDS[name])))
sk_posenc.load_signal("camera")
assert not seen, seen
fit("network", network.set_params(checkpoint={folder!r}))
outside = [each for each in seen if not str(each[1]).startswith({folder!r})]
assert seen and not outside, outside
print("watched")
"""


def test_nothing_is_written_but_checkpoints_and_no_network_is_used(tmp_path):
    paths = [str(HERE), str(HERE / "kronecker"), str(HERE.parent)]
    code = WATCHED.format(paths=paths, folder=str(tmp_path / "states"))
    done = subprocess.run(
        [sys.executable, "-B", "-W", "ignore", "-c", code],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "watched"
    assert [each.name for each in tmp_path.iterdir()] == ["states"]
