"""Prove that there is no network here but loopback: prints ``envbuild-result {...}``.

Two proofs. The kernel has no interface up but ``lo``; and it has no route to a public address,
which connecting a UDP socket asks of it without a packet leaving the machine. Then a TCP
connection is tried for good measure, and loopback is checked to work, since the server needs it.
"""

import fcntl
import json
import socket
import struct
import sys
from typing import Any, Dict, List, Tuple

_SIOCGIFFLAGS = 0x8913
_IFF_UP = 0x1
_IFREQ = "16sh22x"
_PUBLIC = (
    (socket.AF_INET, "1.1.1.1", 443),
    (socket.AF_INET, "8.8.8.8", 53),
    (socket.AF_INET6, "2606:4700:4700::1111", 443),
)
_PATIENCE_S = 3.0


def interfaces_up() -> List[str]:
    """The interfaces that are up, ``lo`` left out.

    /sys/class/net is not read: it shows the namespace that /sys was mounted in. A new namespace
    may have ``tunl0`` and the like, but down.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        names = [name for _, name in socket.if_nameindex()]
        return [name for name in names if name != "lo" and _is_up(handle, name)]


def _is_up(handle: socket.socket, name: str) -> bool:
    request = struct.pack(_IFREQ, name.encode(), 0)
    flags = struct.unpack(_IFREQ, fcntl.ioctl(handle, _SIOCGIFFLAGS, request))[1]
    return bool(flags & _IFF_UP)


def reachable() -> List[str]:
    """The public addresses that there is a route or a connection to."""
    found = []
    for family, host, port in _PUBLIC:
        for kind, word in ((socket.SOCK_DGRAM, "route"), (socket.SOCK_STREAM, "connection")):
            if _connects(family, kind, (host, port)):
                found.append("{} to {}".format(word, host))
    return found


def _connects(family: int, kind: int, address: Tuple[str, int]) -> bool:
    try:
        with socket.socket(family, kind) as client:
            client.settimeout(_PATIENCE_S)
            client.connect(address)
    except OSError:
        return False
    return True


def loopback_works() -> bool:
    """Whether a server on 127.0.0.1 can be reached."""
    try:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(1)
            return _connects(socket.AF_INET, socket.SOCK_STREAM, server.getsockname())
    except OSError:
        return False


def main() -> int:
    """Print what was found; 0 where there is no network."""
    result: Dict[str, Any] = {
        "interfaces": interfaces_up(),
        "reachable": reachable(),
        "loopback": loopback_works(),
    }
    print("\nenvbuild-result " + json.dumps(result))
    return int(bool(result["interfaces"] or result["reachable"] or not result["loopback"]))


if __name__ == "__main__":
    sys.exit(main())
