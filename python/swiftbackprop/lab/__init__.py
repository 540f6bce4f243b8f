"""The laboratory: experiments on backpropagation, to be run and looked at."""

from swiftbackprop.lab._compare import Comparison, Way, compare
from swiftbackprop.lab._scaling import Fit, Growth, Scaling, scaling

__all__ = ["Comparison", "Fit", "Growth", "Scaling", "Way", "compare", "scaling"]
