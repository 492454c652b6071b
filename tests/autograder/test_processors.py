"""Are a machine's processors divided among the workers, and does each stay on its own?"""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.cluster import connect
from autograder.processors import share


@given(st.sets(st.integers(0, 300), min_size=1, max_size=64), st.integers(1, 80))
def test_shares(processors, workers):
    shares = [share(processors, number, workers) for number in range(workers)]
    assert all(shares)
    assert set().union(*shares) == processors
    if workers <= len(processors):
        sizes = [len(part) for part in shares]
        assert sum(sizes) == len(processors)
        assert max(sizes) - min(sizes) <= 1
    else:
        assert {len(part) for part in shares} == {1}
        counts = [shares.count({processor}) for processor in processors]
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_workers_of_a_local_cluster(jobs):
    with connect(None, jobs, "gibbs_principle") as client:
        found = client.run(lambda dask_worker: (dask_worker.name, os.sched_getaffinity(0)))
        threads = client.gather(
            [client.submit(os.sched_getaffinity, 0, workers=[address], pure=False) for address in found]
        )
    expected = [share(os.sched_getaffinity(0), number, jobs) for number in range(jobs)]
    assert [part for _, part in sorted(found.values())] == expected
    assert threads == [part for _, part in found.values()]
