"""The laboratory: experiments on backpropagation, to be run and looked at."""

from __future__ import annotations

from swiftbackprop._inspect.gradcheck import GradientCheck, GradientReport
from swiftbackprop.lab._attribution import Finding
from swiftbackprop.lab._boundary import decision_boundary
from swiftbackprop.lab._compare import Comparison, Way, compare
from swiftbackprop.lab._exercises import Exercise, Overview, exercise, overview
from swiftbackprop.lab._grade import Grade, grade
from swiftbackprop.lab._growth import Fit, Growth, Scaling
from swiftbackprop.lab._judge import Answer
from swiftbackprop.lab._own_backward import BackwardReport, check_backward
from swiftbackprop.lab._own_gradient import FunctionReport, check_gradient
from swiftbackprop.lab._scaling import scaling
from swiftbackprop.lab._step_b import StepB, step_b

__all__ = [
    "Answer",
    "BackwardReport",
    "Comparison",
    "Exercise",
    "Finding",
    "Fit",
    "FunctionReport",
    "Grade",
    "GradientCheck",
    "GradientReport",
    "Growth",
    "Overview",
    "Scaling",
    "StepB",
    "Way",
    "check_backward",
    "check_gradient",
    "compare",
    "decision_boundary",
    "exercise",
    "grade",
    "overview",
    "scaling",
    "step_b",
]
