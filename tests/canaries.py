"""What sings when something happens that must not: a call to this machine, the opening of a file."""

import ctypes
import os
import socket
import threading


class Canary:
    """Listens on this machine, and counts who calls."""

    def __init__(self):
        self._callers, self._heard = [], threading.Condition()
        self._stream = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._stream.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def calls(self):
        """So many until now. Calls are heard in order, so this calls itself and waits until it hears that."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection, self._heard:
            own = connection.getsockname()
            assert self._heard.wait_for(lambda: own in self._callers, timeout=60), "the canary is deaf"
            self._callers.remove(own)
            return len(self._callers)

    def _listen(self):
        while True:
            try:
                connection, caller = self._stream.accept()
                connection.close()
            except OSError:
                return
            with self._heard:
                self._callers.append(caller)
                self._heard.notify_all()


class Watch:
    """Notes every opening of a file, by whichever process (inotify)."""

    IN_OPEN = 0x20

    def __init__(self, path):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = self._libc.inotify_init1(os.O_NONBLOCK)
        assert self._file >= 0, os.strerror(ctypes.get_errno())
        assert self._libc.inotify_add_watch(self._file, os.fsencode(path), self.IN_OPEN) >= 0

    def __del__(self):
        if self._file >= 0:  # a user may have 128 of them
            os.close(self._file)

    def openings(self):
        """Since the last call."""
        try:
            return len(os.read(self._file, 65536)) // 16
        except BlockingIOError:
            return 0
