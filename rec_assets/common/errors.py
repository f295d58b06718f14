"""The error type for problems that a person can fix: its message names the problem and the next step."""


class ActionableError(Exception):
    """Invalid input or a missing service.

    Args:
        problem: a sentence that names the file, column, row count or service.
        next_step: an imperative sentence that fixes the problem.
    """

    def __init__(self, problem: str, next_step: str) -> None:
        super().__init__(f"{problem}\n  → {next_step}")
        self.problem = problem
        self.next_step = next_step
