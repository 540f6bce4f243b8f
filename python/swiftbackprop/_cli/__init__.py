"""The command line: tables, what their columns are, and the estimators that learn them.

Above everything. pandas and scikit-learn are imported when a command runs.
"""

from __future__ import annotations
