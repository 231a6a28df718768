"""The one exception for bad input: its message is the sentence the user reads."""


class BadInput(ValueError):
    """Something the user gave is wrong. The message says what was wrong and what would be right."""
