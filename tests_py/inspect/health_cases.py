"""Networks whose health is looked at."""

from __future__ import annotations

from typing import Any

import swiftbackprop as sb
from swiftbackprop.datasets import load_digits

DIGITS = load_digits()

X, Y = DIGITS.X_train[:300], DIGITS.y_train[:300]


def network(hidden: list[int], **options: Any) -> sb.Network:
    return sb.Network([64, *hidden, 10], **{"loss": "cross_entropy", "seed": 0} | options)


def kinds(report: sb.HealthReport) -> list[tuple[str, int | None]]:
    return [(finding.kind, finding.m) for finding in report.findings]
