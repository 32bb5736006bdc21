"""Nodes that a thread of the test's process spins until it is told to end."""

import threading
from contextlib import suppress

from rclpy.executors import SingleThreadedExecutor

CALL_S = 15.0


class SpinningThread:
    """The thread ends before its executor is shut down, and its nodes are destroyed by the caller
    after that: an executor that is shut down under its own ``spin`` uses what is destroyed."""

    def __init__(self, *nodes, expected=()):
        """``expected``: exceptions of callbacks that do not end the thread."""
        self.executor = SingleThreadedExecutor()
        for node in nodes:
            self.executor.add_node(node)
        self._expected, self._ended = expected, threading.Event()
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self):
        while not self._ended.is_set():
            with suppress(*self._expected):
                self.executor.spin_once(timeout_sec=0.1)

    def call(self, function):
        """Call it in the thread and wait: what destroys publishers, subscriptions or services
        would destroy them under the executor elsewhere."""
        called = threading.Event()
        self.executor.create_task(function).add_done_callback(lambda _: called.set())
        assert called.wait(CALL_S)

    def end(self):
        """Wait for the thread's end; may be called again."""
        self._ended.set()
        self._thread.join()
        self.executor.shutdown()
