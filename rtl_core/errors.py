"""The one exception for bad input: its message is the sentence the user reads."""

from __future__ import annotations

import errno

_ADVICE = {
    errno.ENOSPC: "free some space and do it again",
    errno.EDQUOT: "free some space and do it again",
    errno.EFBIG: "allow larger files, or choose another place",
    errno.EROFS: "choose a place that this program may write to",
    errno.EACCES: "give this program the right to it, or choose another place",
    errno.EPERM: "give this program the right to it, or choose another place",
}


class BadInput(ValueError):
    """Something the user gave is wrong. The message says what was wrong and what would be right."""


def system_sentence(error: OSError, doing: str = "used") -> str:
    """What the system refused, in a sentence: a full disk, a missing right. `doing`: "written", "read", ..."""
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    advice = _ADVICE.get(error.errno or 0)
    return f"{error.filename or 'a file'} cannot be {doing}: {reason}{f'; {advice}' if advice else ''}"
