"""What can be wrong with texts and with what describes them.

::

    ShengdunError
    └── TextError                  a text, or a description of texts, that can't be used
        ├── LabelError             label packs that can't be used; see ``labels.errors``
        └── SemanticModelUnusable  a sentence-embedding model that can't be used

Reading a text never fails: every ``str`` has a canonical form, the empty one at worst. So the leaves are of those who
ask more of a text than to be one.
"""

from shengdun.fingerprint.errors import ShengdunError, Status


class TextError(ShengdunError):
    """Anything that is wrong with a text or with what describes texts."""

    status = Status.INVALID_ARGUMENT
    reason = "BAD_TEXT"


class SemanticModelUnusable(TextError):
    """A sentence-embedding model is incomplete, or what it needs is not installed."""

    status = Status.FAILED_PRECONDITION
    reason = "SEMANTIC_MODEL_UNUSABLE"
