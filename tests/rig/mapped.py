"""Have the router lead one of its ports to us, and leave it so: `mapped.py PORT`."""

import random
import sys

from streembit.net.upnp import Device

if __name__ == "__main__":
    port = int(sys.argv[1])
    Device(random.randrange).map(port, port)
