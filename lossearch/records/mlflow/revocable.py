"""A client that can be taken away from the thread that uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


class Revocable:
    """A client that makes no call once ``revoked`` says so.

    A thread that was left in a call would else go on when it returns, and undo what others wrote meanwhile.
    """

    def __init__(self, client: MlflowClient, revoked: Callable[[], bool]) -> None:
        self._client = client
        self._revoked = revoked

    def __getattr__(self, name: str) -> Any:
        """Return a method of the client.

        Raises:
            ConnectionError: no call is to be made any more.
        """
        if self._revoked():
            raise ConnectionError("it was given up")
        return getattr(self._client, name)
