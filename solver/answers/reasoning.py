"""Reasoning tags: which part of a response was said aloud.

First stage of extraction: response text -> the offset at which the spoken part begins, or nothing when the model was
still thinking. Only substring searches from the end, so linear in the text.
"""

Tags = tuple[str, str]
DEFAULT_REASONING: Tags = ("<think>", "</think>")
FAMILIES: tuple[Tags, ...] = (
    DEFAULT_REASONING,
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|channel|>analysis", "<|channel|>final<|message|>"),
)
"""Opening and closing tags of the models we know. The default pair stands for all of them, because no model writes
another's tags into its answer; any other pair stands for itself alone."""

_HINTS = ("think", "THINK", "thought", "reasoning>", "<|channel|>")  # one of them is in every tag


def spoken(text: str, tags: Tags | None) -> tuple[int, bool]:
    """Where the text after the reasoning begins (0: there is none), and whether the last reasoning was closed."""
    families: tuple[Tags, ...] = () if tags is None else (tags,)
    if tags == DEFAULT_REASONING and any(hint in text for hint in _HINTS):
        families = FAMILIES
    begin, opened = 0, -1
    for opening, closing in families:
        if closing in text:
            begin = max(begin, text.rfind(closing) + len(closing))
        if opening in text:
            opened = max(opened, text.rfind(opening))
    return begin, opened < begin
