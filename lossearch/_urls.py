"""URLs of databases and servers: what is shown, recorded and compared is the address, without its secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote, unquote_plus, unquote_to_bytes

_URL = re.compile(r"([A-Za-z][\w+.-]*)://(.*)", re.DOTALL)
_LOGIN = re.compile(r"([^:/?#@]*)(?::([^@]*))?@(.*)", re.DOTALL)
_PLACE = re.compile(r"(?:\[[\w:.%]*\]|[^:/?#@\[\]\s]*)(?::\d*)?(?:/.*)?", re.DOTALL)
_IN_TEXT = re.compile(
    r"[A-Za-z][\w+.-]*://"
    # a login up to the last @ of its line, whatever is in it; of host:5000 it is none
    r"(?:[^\s/:@]*:(?!\d+(?:\W|$))(?:(?!://)[^\n])*@)?"
    r"[^\s'\"<>`]*"
)
_WITH_USERS = ("postgresql", "postgres", "mysql", "mariadb", "mssql", "oracle", "cockroachdb")
"""Schemes whose user is a name that the server needs; elsewhere it may be a token."""
_SECRET = re.compile(
    r"(?:.*(?:password|passwd|passphrase|pwd|secret|token|credential|apikey|accesskey|accountkey|signature).*(?<!file|path|type)"
    r"|pass|pw|key|sig|auth|authorization|odbcconnect)"
)
_CURE = (
    "cannot be read as a URL, and is not shown, since it may hold a password. Expected scheme://user@host:port/path; "
    "within a name or a password '@' is written %40, ':' %3A, '/' %2F, '?' %3F and '#' %23"
)
HIDDEN = "***"


@dataclass(frozen=True)
class _Parts:
    address: str
    whole: str
    secrets: frozenset[str]


class Url(str):
    """A URL that as a text is its address alone; ``whole`` is what a driver connects by.

    So it is written, recorded and compared without passwords and tokens, and a changed password makes no other
    place. Names and passwords in ``whole`` are percent-encoded, whatever stood in them.

    Raises:
        ValueError: where its secrets end cannot be told; the message does not show it.

    Example:
        >>> url = Url("postgresql://me:a/b c@host/studies?sslpassword=x")
        >>> url, url.whole
        ('postgresql://me@host/studies', 'postgresql://me:a%2Fb%20c@host/studies?sslpassword=x')
    """

    __slots__ = ("_secrets", "whole")
    whole: str
    _secrets: frozenset[str]

    def __new__(cls, text: str) -> Self:
        """Read a text; a URL that is one already stays as it is."""
        if isinstance(text, cls):
            return text
        parts = _split(text)
        if parts is None:
            raise ValueError(_CURE)
        url = super().__new__(cls, parts.address)
        url.whole, url._secrets = parts.whole, parts.secrets
        return url

    def __getnewargs__(self) -> tuple[str]:
        """Return what a copy, in another process too, is made of."""
        return (self.whole,)

    @property
    def secret(self) -> bool:
        """Whether there is more to it than its address."""
        return bool(self._secrets)

    def hide(self, text: str) -> str:
        """Return what a library says about this URL without its secrets."""
        text = text.replace(self.whole, self)
        for secret in sorted(self._secrets, key=len, reverse=True):
            # a short one is part of many a word
            word = re.escape(secret) if len(secret) > 3 else rf"(?<!\w){re.escape(secret)}(?!\w)"
            text = re.sub(word, HIDDEN, text)
        return hidden(text)

    def said(self, error: BaseException) -> str:
        """Return the first line of a library's error about this URL, short and without its secrets."""
        return self.hide(str(error)).strip().partition("\n")[0][:300]

    def cause(self, error: BaseException) -> BaseException | None:
        """Return a library's error to raise another from; None where its traceback may show what is secret."""
        return None if self.secret else error


def hidden(text: str) -> str:
    """Return a text with the URLs in it reduced to their addresses; those that cannot be read are left out whole."""
    return _IN_TEXT.sub(lambda found: _shown(found[0]), text) if "://" in text else text


def _shown(text: str) -> str:
    url = text.rstrip(".,;:!)]}")
    parts = _split(url)
    address = f"{url.partition('://')[0]}://{HIDDEN}" if parts is None else parts.address
    return address + text[len(url) :]


def _split(text: str) -> _Parts | None:
    """Return the parts of a URL, or None where one cannot tell what in it is secret."""
    found = _URL.fullmatch(text)
    if found is None:
        return None if {"@", "?"} & set(text) else _Parts(text, text, frozenset())
    scheme, rest = found[1], found[2]
    named = scheme.partition("+")[0].lower() in _WITH_USERS
    user = password = ""
    if not rest.startswith("/"):
        if login := _LOGIN.fullmatch(rest):
            user, password, rest = login[1], login[2] or "", login[3]
        if "@" in rest or (not named and {"/", "?", "#"} & set(password)):
            return None
    place, mark, options = _parted(rest, "?" if named or rest.startswith("/") else "?#")
    if not _PLACE.fullmatch(place):
        return None
    kept, secret, options = _sorted_out(options)
    shown, secrets = (user, [password]) if named else ("", [password or user, f"{user}:{password}"])
    before = f"{_quoted(user)}:{_quoted(password)}" if password else _quoted(user)
    tail = mark + options if not secret else (mark + "&".join(kept)) * bool(kept)
    return _Parts(
        f"{scheme}://{shown}{'@' * bool(shown)}{place}{tail}",
        f"{scheme}://{before}{'@' * bool(before)}{place}{mark}{options}",
        frozenset(form for s in (*secrets, *secret) if s.strip(":") for form in (s, unquote(s), _quoted(s))),
    )


def _parted(text: str, marks: str) -> tuple[str, str, str]:
    at = min((i for i, c in enumerate(text) if c in marks), default=len(text))
    return text[:at], text[at : at + 1], text[at + 1 :]


def _sorted_out(options: str) -> tuple[list[str], list[str], str]:
    """Return the options of a URL that may be seen, the values of the others, and all with these encoded."""
    kept: list[str] = []
    secret: list[str] = []
    pieces = re.split("([&;#])", options)
    last = kept
    for i in range(0, len(pieces), 2):
        key, equals, value = pieces[i].partition("=")
        if equals:
            name = re.sub(r"[^a-z0-9]", "", unquote_plus(key).lower())
            last = secret if _SECRET.fullmatch(name) else kept
        # what has no name of its own belongs to the value before it
        last.append(value if equals and last is secret else pieces[i])
        if last is secret:
            pieces[i] = f"{key}{equals}{_quoted(value)}" if equals else _quoted(key)
    return kept, secret, "".join(pieces)


def _quoted(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="+")
