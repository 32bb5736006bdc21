"""A network link that is made bad on purpose: slow, jittering, losing, or dead."""

import random
import socket
import threading
import time
from contextlib import contextmanager


@contextmanager
def link_to(url, longest_s=0.0, shortest_s=0.0, lost=0.0, again_s=0.4):
    """A link that can be switched to lose everything: the address on this side, and the switch.

    What goes through takes ``shortest_s`` to ``longest_s``, each way and each time another, in its
    order. A share ``lost`` of it is sent again by TCP and takes ``again_s`` longer.
    """
    target = ("127.0.0.1", int(url.rpartition(":")[2]))
    works, listener = threading.Event(), socket.create_server(("127.0.0.1", 0))
    works.set()

    def pump(source, sink):
        while data := source.recv(2**16):
            again = again_s if random.random() < lost else 0.0
            time.sleep(random.uniform(shortest_s, longest_s) + again)
            if works.is_set():
                sink.sendall(data)
        sink.close()

    def accept():
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(target)
            for ends in ((near, far), (far, near)):
                threading.Thread(target=_until_closed, args=(pump, *ends), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"ws://127.0.0.1:{listener.getsockname()[1]}", works
    listener.close()


def _until_closed(pump, source, sink):
    try:
        pump(source, sink)
    except OSError:
        pass
