"""Hosts on which no program of this machine can listen."""

__all__ = ["BAD_HOSTS"]

BAD_HOSTS = [
    "no-such-host.invalid",  # RFC 6761: never resolved
    "192.0.2.1",  # RFC 5737: of nobody
    "a" * 70 + ".lab",  # a label may have 63 characters
    "rig..lab",  # nor may one be empty
    ".lab",
    "rig\0lab",
]
