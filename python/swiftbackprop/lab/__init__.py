"""The laboratory: experiments on backpropagation, to be run and looked at."""

from swiftbackprop.lab._compare import Comparison, Way, compare
from swiftbackprop.lab._scaling import Fit, Growth, Scaling, scaling
from swiftbackprop.lab._step_b import StepB, step_b

__all__ = ["Comparison", "Fit", "Growth", "Scaling", "StepB", "Way", "compare", "scaling", "step_b"]
