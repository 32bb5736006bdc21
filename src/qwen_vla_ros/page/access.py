"""Who may look at the page and who may command: Host, Origin and the token.

A browser sends whatever any site's script asks it to send, to this machine too. So a websocket is
accepted only from a page that this server gave out (Origin), under a name that is this machine's
own (Host: a site may point its own name here), and no command counts without the token.
"""

import hmac
import ipaddress
import secrets
import socket

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class Access:
    """The rules of one server."""

    def __init__(self, host: str) -> None:
        """Make a new token.

        Args:
            host: address to listen on; beyond loopback, looking needs the token as well.
        """
        self._host = host
        self._token = secrets.token_urlsafe(16)
        self.loopback = is_loopback(host)

    def url(self, port: int) -> str:
        """What a person opens. Behind the #, the token is sent to nobody by itself."""
        return f"http://{_reachable(self._host)}:{port}/#{self._token}"

    def refusal(self, host: str, origin: str | None) -> str:
        """Why a websocket is refused, in words; "" where it is not.

        Args:
            host: the request's Host. origin: its Origin; browsers always send it.
        """
        if self.loopback and _name(host) not in LOOPBACK_NAMES:
            return f"'{host}' is not this machine: open the page as localhost or 127.0.0.1"
        if origin != f"http://{host}":
            return f"a page of '{origin}' may not connect: open the address that was printed"
        return ""

    def may_command(self, token: str) -> bool:
        """Whether it is the token; takes equally long whatever it is."""
        return hmac.compare_digest(token.encode(), self._token.encode())


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """A Host without its port; ``[::1]:80`` is ``::1``."""
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    return name.strip("[]").lower()


def _reachable(host: str) -> str:
    """The address to open: this machine's own where it listens on all of them."""
    if host in ("0.0.0.0", "::", ""):
        host = _own_address()
    return f"[{host}]" if ":" in host else host


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; RFC 5737, an address of nobody
            return probe.getsockname()[0]
        except OSError:  # no network
            return socket.gethostname()
