"""Where the checks of the mathematics problems are kept, by problem id."""

from collections.abc import Callable

Check = Callable[[], object]
CHECKS: dict[str, Check] = {}


def answers(problem_id: str) -> Callable[[Check], Check]:
    """Register the decorated function as the computation of one problem's answer."""

    def register(check: Check) -> Check:
        if problem_id in CHECKS:
            raise ValueError(f"two checks for {problem_id}")
        CHECKS[problem_id] = check
        return check

    return register
