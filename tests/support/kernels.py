"""The compiled kernel of matching, compiled once for all tests of a run: some four seconds.

Gives the fixture ``numba_kernel``.
"""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.ml.match_kernel import Kernel, compiled


@pytest.fixture(scope="session")
def numba_kernel(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    return compiled(tmp_path_factory.mktemp("kernels"))
