"""Write down each packet of multicast DNS that comes by: `eavesdrop.py ADDRESS FILE`."""

import socket
import sys

GROUP = "224.0.0.251"
GROUP_OF_IPV6 = "ff02::fb"
PORT = 5353


def listen(address: str, path: str) -> None:
    """Append packets to the file until killed; the file is there once we listen.

    Where the address is of IPv6, that is listened to, on the interface that was made last.
    """
    with _ear_of_ipv6() if ":" in address else _ear(address) as ear:
        ear.bind(("", PORT))
        with open(path, "wb", buffering=0) as file:
            while True:
                file.write(ear.recv(65_535))


def _ear(address: str) -> socket.socket:
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    member = socket.inet_aton(GROUP) + socket.inet_aton(address)
    ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    return ear


def _ear_of_ipv6() -> socket.socket:
    ear = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    interface, _ = socket.if_nameindex()[-1]
    member = socket.inet_pton(socket.AF_INET6, GROUP_OF_IPV6) + interface.to_bytes(4, sys.byteorder)
    ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
    return ear


if __name__ == "__main__":
    listen(*sys.argv[1:3])
