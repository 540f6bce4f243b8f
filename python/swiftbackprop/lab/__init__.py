"""The laboratory: experiments on backpropagation, to be run and looked at."""

from swiftbackprop.lab._gradcheck import GradientCheck, GradientReport

__all__ = ["GradientCheck", "GradientReport"]
