"""A relay between a service and its Redis that keeps replies back, loses some, or leads to another Redis."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class Relay:
    """A relay between clients and a Redis. A connection stays with the Redis that it was made to."""

    def __init__(self, target: str, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        self.asked = 0
        """How often clients sent something."""
        self.kept_back = 0
        """How many replies were ready for clients that had not got them yet when it was asked last."""
        self.released = 0
        """How many replies reached clients."""
        self.delay = 0.0
        """For so many seconds each reply is kept back."""
        self.loses_one_in = 0
        self._flowing = threading.Event()
        self._flowing.set()
        self._replies = 0
        self._target = target

    def point_at(self, target: str) -> None:
        """Lead connections that are made from now on to another Redis."""
        self._target = target

    def hold(self) -> None:
        """Keep every reply back from now on."""
        self._flowing.clear()

    def release(self) -> None:
        """Let replies through, and those that were kept back."""
        self._flowing.set()

    def connect(self, client: socket.socket) -> None:
        """Carry bytes between a client and the Redis, both ways, until one of them is gone."""
        there = urlsplit(self._target)
        address = there.hostname or "", there.port or 0
        with client, contextlib.suppress(OSError), socket.create_connection(address) as server:
            back = threading.Thread(target=self._carry_back, args=(server, client), daemon=True)
            back.start()
            while chunk := client.recv(65536):
                self.asked += 1
                server.sendall(chunk)
            server.shutdown(socket.SHUT_RDWR)
            self._flowing.wait()
            back.join()

    def _carry_back(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := server.recv(65536):
                self._replies += 1
                if self.loses_one_in and self._replies % self.loses_one_in == 0:
                    continue
                self.kept_back += 1
                self._flowing.wait()
                if self.delay:
                    threading.Event().wait(self.delay)
                self.kept_back -= 1
                self.released += 1
                client.sendall(chunk)
            client.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, relay: Relay) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=relay.connect, args=(client,), daemon=True).start()


@contextlib.contextmanager
def redis_relay(target: str) -> Iterator[Relay]:
    """A relay to the Redis at an address, until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = Relay(target, listener.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listener, relay), daemon=True)
        thread.start()
        yield relay
        relay.release()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
