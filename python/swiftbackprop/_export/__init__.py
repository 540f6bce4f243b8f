"""Networks as files and as models of other libraries.

Below `network`: it takes a network and makes none. PyTorch, ONNX, safetensors and scikit-learn
are imported inside the functions that need them.
"""

from __future__ import annotations
