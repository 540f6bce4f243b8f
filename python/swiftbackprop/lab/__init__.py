"""The laboratory: experiments on backpropagation, to be run and looked at."""

from swiftbackprop.lab._step_b import StepB, step_b

__all__ = ["StepB", "step_b"]
