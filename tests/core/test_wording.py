"""One of a thing is told in the singular."""

import pytest

from sk_posenc.core.wording import counted


@pytest.mark.parametrize(
    ("n", "told"), [(0, "0 samples"), (1, "1 sample"), (2, "2 samples"), (1000, "1,000 samples")]
)
def test_counted(n, told):
    assert counted(n, "sample") == told
