"""Run a program on a machine that seems to have no network but its loopback interface.

    python loopback_only.py PROGRAM [ARG ...]

Linux, as root: a new network namespace has a loopback interface that is down, and nothing else
(network_namespaces(7)). Standard library alone, so that any interpreter runs it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys

_CLONE_NEWNET = 0x40000000  # sched.h
_SIOCGIFFLAGS = 0x8913  # netdevice(7)
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_IFREQ = "16sH22x"


def main(argv: list[str]) -> None:
    """Leave the network and become the program."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        sys.exit(f"cannot leave the network: {os.strerror(ctypes.get_errno())}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack(_IFREQ, b"lo", 0))
        _, flags = struct.unpack(_IFREQ, request)
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack(_IFREQ, b"lo", flags | _IFF_UP))
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main(sys.argv[1:])
