"""Run a program as the first process of a network namespace: ``enter.py PROGRAM [ARGUMENT ...]``.

A new namespace has nothing but a loopback interface, and that is down. It is brought up here by
the ioctls of netdevice(7), since the machine may have no ``ip`` program. The exit code is the
program's, or 128 and the number of the signal that ended it.
"""

import fcntl
import socket
import struct
import subprocess
import sys
from typing import List

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_IFREQ = "16sh22x"  # struct ifreq: the name, the flags, and what is left of 40 bytes


def raise_loopback() -> None:
    """What ``ip link set lo up`` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = fcntl.ioctl(handle, _SIOCGIFFLAGS, struct.pack(_IFREQ, b"lo", 0))
        flags = struct.unpack(_IFREQ, request)[1]
        fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack(_IFREQ, b"lo", flags | _IFF_UP))


def main(argv: List[str]) -> int:
    """Bring loopback up, run ``argv`` and wait for it."""
    raise_loopback()
    returncode = subprocess.call(argv)
    return returncode if returncode >= 0 else 128 - returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
