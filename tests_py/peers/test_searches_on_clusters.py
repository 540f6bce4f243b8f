"""Searches of scikit-learn on Dask and on Ray: as serial ones, one thread a worker."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import joblib
import pytest

from searches import check_searches_in


@contextmanager
def dask() -> Iterator[None]:
    distributed = pytest.importorskip("distributed")
    with (
        warnings.catch_warnings(),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        yield


@contextmanager
def ray() -> Iterator[None]:
    library = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    library.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    register_ray()
    try:
        with joblib.parallel_config("ray", n_jobs=2):
            yield
    finally:
        library.shutdown()


# What Dask and Ray leave open when they end is theirs.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cluster", [dask, ray])
def test_searches_are_as_serial_ones(cluster: Any) -> None:
    check_searches_in(cluster())
