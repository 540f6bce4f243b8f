"""Fashion-MNIST, read from the files of Debian's package or from a folder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from swiftbackprop._net.checks import as_flag, as_path

from ._dataset import Dataset, scaled
from ._idx import read_idx

_DEBIAN = "/usr/share/datasets/fashion-mnist"
_VARIABLE = "SWIFTBACKPROP_DATA"
_SIDE = 28
_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_DESCRIPTION = (
    "Photographs of clothes as images of 28 × 28 pixels: Fashion-MNIST by H. Xiao, K. Rasul and "
    "R. Vollgraf, Zalando SE (2017), https://github.com/zalandoresearch/fashion-mnist, MIT "
    "licence."
)


def load_fashion_mnist(
    folder: str | os.PathLike[str] | None = None, *, scale: bool = True
) -> Dataset:
    """Load Fashion-MNIST: 60,000 training and 10,000 test images of clothes in ten classes.

    The four IDX files are read from `folder`, else from the folder that the environment
    variable ``SWIFTBACKPROP_DATA`` names, else from ``/usr/share/datasets/fashion-mnist``,
    where Debian's package ``dataset-fashion-mnist`` puts them. They may be plain or compressed
    by gzip (``train-images-idx3-ubyte`` or ``train-images-idx3-ubyte.gz``).

    Parameters
    ----------
    folder : path, optional
        The folder of the four files.
    scale : bool, default True
        Whether to divide the pixels by 255, which gives float32 in [0, 1]. If false, they are
        uint8 and not copied: plain files are mapped into memory, read-only.

    Returns
    -------
    Dataset
        `X_train` (60000, 784), `y_train` (60000,), `X_test` (10000, 784), `y_test` (10000,);
        fewer rows if the files hold fewer.

    Raises
    ------
    FileNotFoundError
        If the folder lacks one of the files; the message says how to get them.
    ValueError
        If a file is damaged or holds something else.

    Notes
    -----
    H. Xiao, K. Rasul and R. Vollgraf, *Fashion-MNIST: a Novel Image Dataset for Benchmarking
    Machine Learning Algorithms*, 2017, https://arxiv.org/abs/1708.07747.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> fashion = sb.datasets.load_fashion_mnist()  # doctest: +SKIP
    >>> fashion.X_train.shape, fashion.class_names[fashion.y_train[0]]  # doctest: +SKIP
    ((60000, 784), 'Ankle boot')
    """
    scale = as_flag(scale, "scale")
    place = Path(
        as_path(folder, "folder") if folder is not None else os.environ.get(_VARIABLE) or _DEBIAN
    )
    names = [
        f"{part}-{kind}-ubyte"
        for part in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    ]
    paths = [_find(place, name) for name in names]
    X_train, y_train = _read_part(*paths[:2], scale=scale)
    X_test, y_test = _read_part(*paths[2:], scale=scale)
    return Dataset(
        X_train=X_train,
        y_train=y_train,
        X_test=X_test,
        y_test=y_test,
        image_shape=(_SIDE, _SIDE),
        class_names=_CLASSES,
        description=_DESCRIPTION,
    )


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"{folder} has no file {name} or {name}.gz: install Debian's package with "
        "`apt install dataset-fashion-mnist`, or put the four IDX files of "
        "https://github.com/zalandoresearch/fashion-mnist into a folder and name it in "
        f"{_VARIABLE}."
    )


def _read_part(
    images: Path, labels: Path, *, scale: bool
) -> tuple[NDArray[np.uint8] | NDArray[np.float32], NDArray[np.int64]]:
    pixels = read_idx(images, (None, _SIDE, _SIDE)).reshape(-1, _SIDE * _SIDE)
    classes = read_idx(labels, (None,))
    if len(pixels) != len(classes):
        raise ValueError(
            f"{images} holds {len(pixels):,} images, but {labels} {len(classes):,} labels"
        )
    if classes.max() >= len(_CLASSES):
        raise ValueError(
            f"{labels} holds the label {classes.max()}, but the classes are 0 to "
            f"{len(_CLASSES) - 1}"
        )
    return scaled(pixels, 255) if scale else pixels, classes.astype(np.int64)
