"""The part of `Network` that writes files and speaks with other libraries."""

import os

from swiftbackprop import _files
from swiftbackprop._inside import NetworkInside

__all__ = ["NetworkExchange"]


class NetworkExchange(NetworkInside):
    """Files, and weights in the forms of other libraries."""

    def save(
        self, path: str | os.PathLike[str], *, optimizer: bool = True, generator: bool = True
    ) -> None:
        """Write the network to a safetensors file, which `load` reads.

        W is stored as (D(m), D(m-1)) in C order, whatever else is in the file is described
        on the page *Files*. The file appears whole or not at all.

        Parameters
        ----------
        path : str or path-like
            By custom it ends in ``.safetensors``. A file that is there is replaced.
        optimizer : bool, default True
            Store the optimizer's arrays and the number of steps. Without them the file is
            smaller, and training starts afresh from the weights.
        generator : bool, default True
            Store the state of the random numbers. With both, training goes on with the
            same bits as if it had never been interrupted.

        Raises
        ------
        ImportError
            If safetensors is not installed.
        OSError
            If the file cannot be written.
        ValueError
            If the network holds NaN or infinity.

        See Also
        --------
        load : Read the file.
        """
        _files.save(self, path, bool(optimizer), bool(generator))
