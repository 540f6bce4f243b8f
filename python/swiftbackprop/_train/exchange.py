"""Sums over a few processes, of which each makes a share, and copies of their communicator."""

from __future__ import annotations

import time
import warnings
from itertools import pairwise
from typing import Any

import numpy as np

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.caller import outside

# Seconds after which a process says that it waits for the others.
_PATIENCE = 30.0


def copy_of(comm: Any) -> Any:
    """Return a copy of a communicator, made by its processes together; warn if that takes long."""
    copy, request = comm.Idup()
    begin, is_patient = time.monotonic(), True
    while not request.Test():
        waited = time.monotonic() - begin
        if waited > 1e-3:
            time.sleep(2e-4)
        if is_patient and waited > _PATIENCE:
            is_patient = False
            warnings.warn(
                f"process {comm.Get_rank()} of {comm.Get_size()} waits in fit for processes of "
                "comm that have not called it: all of them must, equally often, also those "
                "without rows; an error outside of fit ends all under `mpirun -n N python -m "
                "mpi4py script.py`",
                stacklevel=outside(),
            )
    return copy


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
    free : list of ndarray
        Memory for what arrives, which is taken from here and given back when it is added: as few
        of it as can be, so that it stays in a cache.
    """

    def __init__(self, comm: Any, array: FloatArray, tag: int, free: list[FloatArray]) -> None:
        self._comm, self._tag = comm, tag
        size, rank = comm.Get_size(), comm.Get_rank()
        flat = array.reshape(-1)
        ends = [len(flat) * k // size for k in range(size + 1)]
        self._shares = [flat[a:b] for a, b in pairwise(ends)]
        self._others = [k for k in range(size) if k != rank]
        self._own = self._shares[rank]
        self._free = free
        needed = (size - 1) * len(self._own) * array.itemsize
        fits = (k for k, room in enumerate(free) if len(room) >= needed)
        found = next(fits, None)
        self._room = np.empty(needed, np.uint8) if found is None else free.pop(found)
        room = self._room[:needed].view(array.dtype).reshape(size - 1, len(self._own))
        self._arrived: list[FloatArray] = list(room)
        self._requests = [
            comm.Irecv(part, k, tag) for k, part in zip(self._others, self._arrived, strict=True)
        ]
        self._requests += [comm.Isend(self._shares[k], k, tag) for k in self._others]
        self._is_summed = False

    def Test(self) -> bool:
        """Go on, and return whether the sum is there."""
        if not all(request.Test() for request in self._requests):
            return False
        if self._is_summed:
            return True
        for part in self._arrived:
            np.add(self._own, part, out=self._own)
        self._free.append(self._room)
        self._is_summed = True
        comm, tag = self._comm, self._tag
        self._requests = [comm.Irecv(self._shares[k], k, tag) for k in self._others]
        self._requests += [comm.Isend(self._own, k, tag) for k in self._others]
        return False
