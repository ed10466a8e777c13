"""DNS cookies (RFC 7873): who sees neither our queries nor the server's replies cannot forge them.

The rule of this file: a cookie that is wrong is never believed; a cookie that is missing is not believed either once
the server has shown that it sends one, until it has left it out several times without sending any in between.
"""

from exporter.dns.randomness import Take

_CLIENT_OCTETS = 8
_MISSES_UNTIL_LESSON = 3


class CookieJar:
    """The cookies that we share with one server."""

    __slots__ = ("_client", "_misses", "_server", "expected", "sent")

    def __init__(self, take: Take) -> None:
        self._client = take(_CLIENT_OCTETS)
        self._server = b""
        self._misses = 0
        self.expected = False
        """Whether the server has shown that it sends cookies."""
        self.sent = self._client
        """What goes into the COOKIE option of a query."""

    def accepts(self, cookie: bytes | None) -> bool:
        """Whether a reply with this cookie ("" for none, None for a malformed one) can be from the server.

        A server's part that comes with our part is kept, and sent from then on.
        """
        if cookie == b"":
            return not self.expected
        if cookie is None or cookie[:_CLIENT_OCTETS] != self._client:
            return False
        if len(cookie) > _CLIENT_OCTETS:
            self._server = cookie[_CLIENT_OCTETS:]
            self.sent = self._client + self._server
            self.expected = True
        self._misses = 0
        return True

    def missed(self) -> None:
        """Note that a question went unanswered but for a reply without the cookie that was expected."""
        self._misses += 1
        if self._misses >= _MISSES_UNTIL_LESSON:
            self._misses = 0
            self._server = b""
            self.sent = self._client
            self.expected = False
