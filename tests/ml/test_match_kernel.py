"""Two engines, one answer: to the last bit, on columns of every shape; and numba stays out of a start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from ghl_real_estate_ai.commands.match_benchmarks import synthetic_homes, synthetic_wishes
from ghl_real_estate_ai.ml.listing_segments import Segment
from ghl_real_estate_ai.ml.match_kernel import NUMPY, Kernel, Rows, compiled
from ghl_real_estate_ai.ml.match_plan import demand_of, plan_of
from ghl_real_estate_ai.models.matching_models import WISH_WEIGHTS
from ghl_real_estate_ai.models.properties import Wishes


@pytest.fixture(scope="module")
def homes() -> Segment:
    return synthetic_homes(20_000, markets=40)


@pytest.fixture(scope="module")
def rows(homes: Segment) -> Rows:
    dead = (np.random.default_rng(3).random(len(homes)) < 0.05).astype(np.uint8)
    return Rows(homes.price, homes.area, homes.codes, homes.rank, dead)


def asked(homes: Segment) -> list[Wishes]:
    in_a_market = synthetic_wishes(homes, 60)
    anywhere = [wished.model_copy(update={"city": None}) for wished in in_a_market[:20]]
    return [*in_a_market, *anywhere, Wishes(city="nowhere"), Wishes(property_sub_type="castle")]


def best(kernel: Kernel, wished: Wishes, homes: Segment, rows: Rows, k: int) -> list[int]:
    weights = {**WISH_WEIGHTS, "feature:pool": 3.3, "min_list_price": 0.7}
    plan = plan_of(wished, homes, weights)
    return sorted(kernel.best(plan, rows, *homes.market_rows(wished.city), k).tolist())


def unmet(kernel: Kernel, wished: Wishes, homes: Segment, rows: Rows) -> list[int]:
    out = np.full(len(homes), 255, dtype=np.uint8)
    demand = demand_of(wished, homes, lowest=150_000.0, highest=900_000.0)
    kernel.unmet(demand, rows, *homes.market_rows(wished.city), out)
    return out.tolist()


@pytest.mark.parametrize("k", [1, 20, 200])
def test_both_engines_give_the_same_ranking_integers(
    numba_kernel: Kernel, homes: Segment, rows: Rows, k: int
) -> None:
    for wished in asked(homes):
        expected = best(NUMPY, wished, homes, rows, k)
        assert best(numba_kernel, wished, homes, rows, k) == expected
        assert len(set(expected)) == len(expected) <= k


def test_both_engines_name_the_same_unmet_wishes(numba_kernel: Kernel, homes: Segment, rows: Rows) -> None:
    for wished in asked(homes):
        assert unmet(numba_kernel, wished, homes, rows) == unmet(NUMPY, wished, homes, rows)


def test_the_loops_mean_the_same_before_they_are_compiled(numba_kernel: Kernel) -> None:
    homes = synthetic_homes(400, markets=12)
    rows = Rows(homes.price, homes.area, homes.codes, homes.rank, np.zeros(len(homes), dtype=np.uint8))
    plain = Kernel(
        "python",
        cast(Any, numba_kernel.best).py_func,
        cast(Any, numba_kernel.unmet).py_func,
    )
    for wished in asked(homes)[::5]:
        assert best(plain, wished, homes, rows, 5) == best(NUMPY, wished, homes, rows, 5)
        assert unmet(plain, wished, homes, rows) == unmet(NUMPY, wished, homes, rows)


def test_a_dead_row_is_never_found(numba_kernel: Kernel, homes: Segment, rows: Rows) -> None:
    all_dead = rows._replace(dead=np.ones(len(homes), dtype=np.uint8))
    for kernel in (NUMPY, numba_kernel):
        assert best(kernel, Wishes(min_bedrooms=1), homes, all_dead, 9) == []


def test_a_folder_that_cannot_be_made_is_an_error_that_the_caller_can_catch(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        compiled(tmp_path / "file" / "kernels")


def test_nothing_that_serves_imports_numba_before_a_tenant_needs_it() -> None:
    code = "import sys, ghl_real_estate_ai.bootstrap; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def kernel_in_another_process(cache: Path) -> int:
    """Numba reads a cache once per process."""
    code = (
        "import sys, pathlib; from ghl_real_estate_ai.ml.match_kernel import compiled;"
        "sys.exit(compiled(pathlib.Path(sys.argv[1])).name != 'numba')"
    )
    return subprocess.run([sys.executable, "-c", code, str(cache)], check=False).returncode


@pytest.mark.untraced
def test_a_damaged_cache_is_thrown_away_and_compiled_once_more(tmp_path: Path) -> None:
    assert kernel_in_another_process(tmp_path) == 0
    for suffix, kept in (("nbi", 0), ("nbc", 900)):  # EOFError, UnpicklingError
        damaged = list(tmp_path.rglob(f"*.{suffix}"))
        whole = sum(file.stat().st_size for file in damaged)
        assert damaged
        for file in damaged:
            file.write_bytes(file.read_bytes()[:kept])
        assert kernel_in_another_process(tmp_path) == 0
        assert sum(file.stat().st_size for file in tmp_path.rglob(f"*.{suffix}")) == whole
