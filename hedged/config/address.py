"""Addresses that a key or an order goes to: encrypted, unless they do not leave this machine or its own network."""

from ipaddress import ip_address
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def encrypted(url: str) -> str:
    """Return an HTTP address as it is. Raises ValueError unless it is https, or on loopback; it may hold no password.

    The error does not repeat the address: there may be a token in it.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected https://HOST...")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a user name or password does not belong into an address")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("http sends the key in plain text: https, unless it is on loopback")
    return url


def is_near(host: str) -> bool:
    """Tell whether a host is on loopback, in a private network, or a bare name as containers have."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return "." not in host
    return address.is_private and not address.is_unspecified
