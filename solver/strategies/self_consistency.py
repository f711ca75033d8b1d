"""Self-consistency: N independent chains of thought, and the answer that most of them reach.

Source: Wang et al. 2022, "Self-Consistency Improves Chain of Thought Reasoning in Language Models",
arXiv 2203.11171. Answers are counted by equivalence class, not by spelling, and a response without a
gradable answer does not vote. With a stopping rule it draws fewer than N where that is enough.
"""

from collections.abc import Mapping
from typing import ClassVar

from solver.strategies.drawing import Draw
from solver.strategies.thinking import Budget, Probe, Think
from solver.strategies.voting import Voting


class SelfConsistency(Voting):
    """Up to N plain samples; by default all N, and a majority over answer classes."""

    name: ClassVar[str] = "self-consistency"
    draws: ClassVar[Mapping[str, type[Draw]]] = {"think": Think, "probe": Probe, "budget_prompt": Budget}
