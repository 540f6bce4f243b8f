"""What is given as `comm`: which processes it stands for, and what each of them has."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from swiftbackprop._net.checks import got

if TYPE_CHECKING:
    from swiftbackprop._train.processes import Processes


def share_of(rows: int, comm: Any) -> slice:
    """Return which of some rows, that every process has, are those of this one."""
    rank, size = comm.Get_rank(), comm.Get_size()
    return slice(rows * rank // size, rows * (rank + 1) // size)


def together(comm: Any) -> AbstractContextManager[Processes | None]:
    """Return a context: the processes that train together, or None where there is one alone.

    Inside of another such context it may be given the processes of that one, whose matter the
    end then is.
    """
    if comm is None:
        return nullcontext()
    if isinstance(comm, type) or not hasattr(comm, "Get_rank"):
        raise TypeError(_expected(comm))
    from swiftbackprop._train.processes import Processes

    if isinstance(comm, Processes):
        return nullcontext(comm)
    if not all(hasattr(comm, name) for name in ("Iallreduce", "Dup", "Is_inter")):
        raise TypeError(_expected(comm))
    if not comm:  # MPI.COMM_NULL
        raise ValueError(
            "comm is MPI.COMM_NULL, of which this process is no part: in what MPI.UNDEFINED was "
            "given to Split call fit only `if comm != MPI.COMM_NULL`, and never after comm.Free()"
        )
    if comm.Is_inter():
        raise ValueError(
            "comm is an intercommunicator, between two groups of processes: give comm.Merge(), "
            "which has the processes of both"
        )
    return nullcontext() if comm.Get_size() == 1 else Processes(comm)


def _expected(comm: Any) -> str:
    return f"comm must be a communicator of mpi4py such as MPI.COMM_WORLD, got {got(comm)}"
