"""A long link between two network namespaces, for kernels without netem: two TUN devices, and every packet held on its way.

Whole packets are carried, so handshakes, delayed acknowledgements and segment sizes cost here what they cost on a real path.
"""
import collections
import fcntl
import os
import select
import socket
import struct
import subprocess
import threading
import time
from typing import NamedTuple

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
TCP, UDP, SYN, ACK = socket.IPPROTO_TCP, socket.IPPROTO_UDP, 2, 16


class Packet(NamedTuple):
    """A packet, with the time at which the client's side saw it: when it left there, or arrived."""
    time: float
    is_outbound: bool
    protocol: int
    client_port: int
    server_port: int
    flags: int
    size: int  # of what it carries


def _open_tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


class LongLink:
    """Joins this namespace, the servers', to that of a process, the client's, by devices named name in both."""

    def __init__(self, name, client_pid, delay):
        self.delay = delay  # seconds, in each direction
        self.packets = []
        self.client = _open_tun("far")
        subprocess.run(["ip", "link", "set", "far", "netns", str(client_pid), "name", name], check=True)
        self.server = _open_tun(name)
        threading.Thread(target=self._carry, daemon=True).start()

    def _carry(self):
        under_way = collections.deque()  # (when it arrives, where, packet); the delay is one for all, so in order
        while True:
            now = time.monotonic()
            while under_way and under_way[0][0] <= now:
                _, fd, packet = under_way.popleft()
                try:
                    os.write(fd, packet)
                except OSError:
                    pass  # the device is down, and so this packet is lost
            wait = max(0, under_way[0][0] - now) if under_way else None
            for fd in select.select([self.client, self.server], [], [], wait)[0]:
                try:
                    packet = os.read(fd, 65536)
                except OSError:
                    continue
                now = time.monotonic()
                is_outbound = fd == self.client
                under_way.append((now + self.delay, self.server if is_outbound else self.client, packet))
                self._note(packet, is_outbound, now if is_outbound else now + self.delay)

    def _note(self, packet, is_outbound, when):
        if packet[0] >> 4 == 4:
            at, protocol, end = (packet[0] & 15) * 4, packet[9], int.from_bytes(packet[2:4], "big")
        else:
            at, protocol, end = 40, packet[6], 40 + int.from_bytes(packet[4:6], "big")
        if protocol not in (TCP, UDP):
            return
        ports = struct.unpack(">HH", packet[at:at + 4])
        client_port, server_port = ports if is_outbound else ports[::-1]
        head = (packet[at + 12] >> 4) * 4 if protocol == TCP else 8
        self.packets.append(Packet(when, is_outbound, protocol, client_port, server_port,
                                   packet[at + 13] if protocol == TCP else 0, end - at - head))
