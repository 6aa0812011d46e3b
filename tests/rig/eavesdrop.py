"""Write down each packet of multicast DNS that comes by: `eavesdrop.py ADDRESS FILE`."""

import socket
import sys

GROUP = "224.0.0.251"
PORT = 5353


def listen(address: str, path: str) -> None:
    """Append packets to the file until killed; the file is there once we listen."""
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ear.bind(("", PORT))
    member = socket.inet_aton(GROUP) + socket.inet_aton(address)
    ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    with open(path, "wb", buffering=0) as file:
        while True:
            file.write(ear.recv(65_535))


if __name__ == "__main__":
    listen(*sys.argv[1:3])
