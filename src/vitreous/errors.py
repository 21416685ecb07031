"""What can go wrong in a way that the user can mend. The command line prints the message alone.

A message says what was found, why it matters, and what to type next.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class VitreousError(Exception):
    """Base of all errors that are about the input, not about a fault of ours."""


class DataError(VitreousError):
    """A file, folder or table that cannot be read as what it should be."""


class BackboneError(VitreousError):
    """A backbone that cannot be found, loaded or used as asked."""


class StoreError(VitreousError):
    """A feature store that is missing, broken or full."""


class FeatureMismatch(StoreError):
    """Features of one backbone, grid or facet where those of another are needed."""


class RunError(VitreousError):
    """A run folder or a training that cannot go on."""


class MissingExtra(VitreousError):
    """An optional package that is not installed."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean "x"?` for a misspelt name, or the whole list when nothing is near."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1)
    return f' Did you mean "{near[0]}"?' if near else f" Known: {', '.join(known)}."
