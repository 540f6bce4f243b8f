"""The laboratory: experiments on backpropagation, to be run and looked at."""

from swiftbackprop.lab._attribution import Finding
from swiftbackprop.lab._gradcheck import GradientCheck, GradientReport
from swiftbackprop.lab._own_backward import BackwardReport, check_backward
from swiftbackprop.lab._own_gradient import FunctionReport, check_gradient

__all__ = [
    "BackwardReport",
    "Finding",
    "FunctionReport",
    "GradientCheck",
    "GradientReport",
    "check_backward",
    "check_gradient",
]
