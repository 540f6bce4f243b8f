"""The UCI handwritten digits, which the package carries."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from swiftbackprop._net.checks import as_flag

from ._dataset import Dataset, scaled

_INK = 16  # a pixel counts the set dots of a 4 x 4 block
_DESCRIPTION = (
    "1,797 handwritten digits as images of 8 × 8 pixels, a third of them held out for testing: "
    "Optical Recognition of Handwritten Digits by E. Alpaydin and C. Kaynak, UCI Machine "
    "Learning Repository (1998), https://doi.org/10.24432/C50P49, CC BY 4.0."
)


def load_digits(*, scale: bool = True) -> Dataset:
    """Load the UCI handwritten digits: 1,797 images of 8 × 8 pixels in ten classes.

    A third of the images, 599, is held out for testing. The split is stratified (every class
    has the same share in both parts), shuffled, and stored with the data, so it is the same
    everywhere.

    Parameters
    ----------
    scale : bool, default True
        Whether to divide the pixels by 16, which gives float32 in [0, 1]. If false, they stay
        the counts 0..16 as uint8.

    Returns
    -------
    Dataset
        `X_train` (1198, 64), `y_train` (1198,), `X_test` (599, 64), `y_test` (599,).

    Notes
    -----
    E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine
    Learning Repository, 1998, https://doi.org/10.24432/C50P49, licensed under CC BY 4.0. These
    images are the repository's test part, written by 13 people; digits of the same writers are
    in both parts of the split here.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> digits = sb.datasets.load_digits()
    >>> digits.X_train.shape, digits.y_train.shape, digits.X_test.shape
    ((1198, 64), (1198,), (599, 64))
    >>> digits.X_train.dtype, digits.y_train.dtype
    (dtype('float32'), dtype('int64'))
    >>> digits.class_names[digits.y_train[0]]
    '6'

    The pixels as they were counted:

    >>> sb.datasets.load_digits(scale=False).X_train[0].reshape(8, 8)
    array([[ 0,  0,  1, 12,  2,  0,  0,  0],
           [ 0,  0,  6, 13,  0,  0,  0,  0],
           [ 0,  0, 11,  8,  0,  0,  0,  0],
           [ 0,  1, 15,  1,  0,  0,  0,  0],
           [ 0,  2, 15,  2, 14, 13,  4,  0],
           [ 0,  2, 15, 16, 10,  5, 14,  0],
           [ 0,  0,  9, 13,  4,  9, 14,  0],
           [ 0,  0,  0, 10, 13, 12,  3,  0]], dtype=uint8)
    """
    scale = as_flag(scale, "scale")
    with (files(__package__) / "digits.npz").open("rb") as file, np.load(file) as stored:
        images = stored["images"].reshape(-1, 64)
        labels = stored["labels"].astype(np.int64)
        train, test = stored["train"], stored["test"]
    pixels = scaled(images, _INK) if scale else images
    return Dataset(
        X_train=pixels[train],
        y_train=labels[train],
        X_test=pixels[test],
        y_test=labels[test],
        image_shape=(8, 8),
        class_names=tuple("0123456789"),
        description=_DESCRIPTION,
    )
