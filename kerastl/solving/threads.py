"""One thread for linear algebra: two of them on a busy machine wait for each other."""

from __future__ import annotations

from typing import Any

import threadpoolctl


def one_thread() -> Any:
    """A context in which BLAS computes in one thread, so that sums have one order too."""
    return threadpoolctl.threadpool_limits(limits=1, user_api="blas")
