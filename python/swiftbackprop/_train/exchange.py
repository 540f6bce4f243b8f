"""Sums over a few processes: each makes a share of a sum, and sends it to the others."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from swiftbackprop._net.arrays import FloatArray

__all__ = ["Exchange"]


class Exchange:
    """A sum of an array over all processes, in place, on its way; tested like a request of MPI.

    Every process sums one share and the others take it over, so all have the same bits. No byte
    is sent twice, and no process has more to do than another: Open MPI's ``Iallreduce`` sends the
    whole array to one process, where all is added, and back.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
    array : ndarray
    tag : int
        Of its messages. Others on their way at the same time have other ones.
    before : Exchange, optional
        One of an array as long, that has ended: its memory is used again.

    Attributes
    ----------
    arrived : ndarray (processes - 1, numbers of the own share)
        What the others sent to be added.
    """

    def __init__(
        self, comm: Any, array: FloatArray, tag: int, before: Exchange | None = None
    ) -> None:
        self._comm, self._tag = comm, tag
        size, rank = comm.Get_size(), comm.Get_rank()
        flat = array.reshape(-1)
        ends = [len(flat) * k // size for k in range(size + 1)]
        self._shares = [flat[a:b] for a, b in pairwise(ends)]
        self._others = [k for k in range(size) if k != rank]
        self._own = self._shares[rank]
        self.arrived: FloatArray = (
            np.empty((size - 1, len(self._own)), array.dtype) if before is None else before.arrived
        )
        self._requests = [
            comm.Irecv(part, k, tag) for k, part in zip(self._others, self.arrived, strict=True)
        ]
        self._requests += [comm.Isend(self._shares[k], k, tag) for k in self._others]
        self._is_summed = False

    def Test(self) -> bool:
        """Go on, and return whether the sum is there."""
        if not all(request.Test() for request in self._requests):
            return False
        if self._is_summed:
            return True
        for part in self.arrived:
            np.add(self._own, part, out=self._own)
        self._is_summed = True
        comm, tag = self._comm, self._tag
        self._requests = [comm.Irecv(self._shares[k], k, tag) for k in self._others]
        self._requests += [comm.Isend(self._own, k, tag) for k in self._others]
        return False
