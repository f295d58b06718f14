"""The one error type a person is meant to read: what is wrong, where, and what to do next."""


class ActionableError(Exception):
    """Bad input or a missing service.

    Args:
        problem: what is wrong, naming the file, column, row count or service.
        next_step: what the reader can do about it, as an imperative sentence.
    """

    def __init__(self, problem: str, next_step: str) -> None:
        super().__init__(f"{problem}\n  → {next_step}")
        self.problem = problem
        self.next_step = next_step
