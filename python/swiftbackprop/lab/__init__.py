"""The laboratory: experiments on backpropagation, to be run and looked at."""

from swiftbackprop.lab._gradcheck import GradientCheck, GradientReport
from swiftbackprop.lab._own_gradient import FunctionReport, check_gradient

__all__ = ["FunctionReport", "GradientCheck", "GradientReport", "check_gradient"]
