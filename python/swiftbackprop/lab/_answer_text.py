"""What a student wrote for an answer, in the signs that the grammar has."""

from __future__ import annotations

import re
import unicodedata

# play/expression.js does the same, with the same tables; tests_browser holds them together.
_LOOK_ALIKES = str.maketrans("АВСЕТХЅԜасхѕԝԁΑΒΕΤΧɡ", "ABCETXSWacxswdABETXg")
_QUOTES = str.maketrans("“”„‘’′´", "\"\"\"''''")
_SIGNS = (
    (r"\\left\b|\\right\b|\\[,;! ]", ""),
    (r"\\(?:mathrm|mathsf|mathbf|text)\s*\{\s*(\w+)\s*\}", r"\1"),
    (r"\\(?:top|intercal)\b|⊤", "^T"),
    (r"\\(?:odot|circ)\b|∘", "⊙"),
    (r"\\(?:cdot|times|ast)\b|\.\*|[×∗•⋅·∙]", "*"),
    (r"[‐–—−]", "-"),
    # W^T, W^{T}, W^^T of a ^ before ⊤, W**T; W.T, W.t(), W.mT; W'
    (r"\s*(?:\^|\*\*)+\s*(?:\{[\s^]*[Tt]\s*\}|[Tt]\b)", ".T "),
    (r"\s*\.\s*(?:mT|[Tt])\b(?:\s*\(\s*\))?", ".T "),
    (r"(?<=[\w)\]])'", ".T "),
)
_AROUND = (
    (r"^([\"'`$])(.*)\1$", r"\2"),
    (r"[;,.]\s*$", ""),
    (r"^(?:(?:the|my)\s+)?(?:answer|option|choice|return)\b(?:\s+is\b)?\s*:?", ""),
    (r"^(?:[^=<>!:()]|\([^=()]*\))*=(?!=)", ""),  # r = ..., and not np.sum(W, axis=0)
)


def grammar_signs(text: str) -> str:
    """Return an expression with the grammar's signs in the place of those that look alike.

    Examples
    --------
    >>> from swiftbackprop.lab._answer_text import grammar_signs
    >>> grammar_signs("W^⊤ × g"), grammar_signs("W' @ g"), grammar_signs("g ∘ s")
    ('W.T  * g', 'W.T  @ g', 'g ⊙ s')
    """
    # ᵀ would become a letter.
    text = unicodedata.normalize("NFKC", text.translate(_QUOTES).replace("ᵀ", "⊤"))
    text = text.translate(_LOOK_ALIKES)
    for pattern, sign in _SIGNS:
        text = re.sub(pattern, sign, text)
    return text


def bare(text: str) -> str:
    """Return an answer without quotes, "r =", "return" and the like around it.

    Examples
    --------
    >>> from swiftbackprop.lab._answer_text import bare
    >>> bare('"W.T @ g";'), bare("r = W @ g"), bare("option A")
    ('W.T @ g', 'W @ g', 'A')
    """
    before, text = "", text.strip().translate(_QUOTES)
    while text != before:
        before = text
        for pattern, kept in _AROUND:
            text = re.sub(pattern, kept, text, flags=re.IGNORECASE | re.DOTALL).strip()
    return text
