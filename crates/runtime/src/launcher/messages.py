"""What the server, the launcher and its children say to each other, and which descriptors they hold."""

import errno
import json
import os
import resource
import socket

MESSAGE_BYTES = 4 << 20


class Channel:
    """JSON lines, each with any number of descriptors, over a Unix socket."""

    def __init__(self, connection):
        self.connection = connection
        self.rest = b""
        self.descriptors = []

    def fileno(self):
        return self.connection.fileno()

    def close(self):
        self.connection.close()

    def send(self, message, descriptors=()):
        data = json.dumps(message).encode() + b"\n"
        sent = socket.send_fds(self.connection, [data], list(descriptors)) if descriptors else 0
        self.connection.sendall(data[sent:])

    def receive(self):
        """The next message and its descriptors; `None` at the end."""
        while b"\n" not in self.rest:
            if len(self.rest) > MESSAGE_BYTES:
                raise OSError(errno.EMSGSIZE, "message too long")
            data, descriptors, _, _ = socket.recv_fds(self.connection, 65536, 16)
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
            self.descriptors += descriptors
            if not data:
                return None, []
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        descriptors, self.descriptors = self.descriptors, []
        return json.loads(line), descriptors


def channel_pair():
    one, two = socket.socketpair()
    return Channel(one), Channel(two)


def close_all_but(keep):
    """Closes every descriptor that is not to be kept."""
    last = 3
    for descriptor in sorted(keep):
        # An empty range must not be asked for: some versions of Python then close everything.
        if descriptor > last:
            os.closerange(last, descriptor)
        last = max(last, descriptor + 1)
    os.closerange(last, max(last, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 20)))
