"""A TCP proxy in front of a server, which can be cut: then nothing passes, and nobody is told."""

import selectors
import socket
import threading


class Proxy:
    """Passes bytes between its clients and `target`, a socket path or (host, port)."""

    def __init__(self, target):
        self._target = target
        self._cut = threading.Event()
        self._held = set()
        self._stopped = threading.Event()
        self._pairs = set()
        self._mutex = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """From now on connections stay open and silent, new ones too."""
        self._cut.set()

    def heal(self):
        """Ends the connections that were cut, as a network that comes back does; new ones work."""
        self._cut.clear()
        with self._mutex:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for end in pair:
                _shut(end)

    def hold(self, word):
        """The answers on connections whose first bytes have `word` are held back."""
        self._held.add(word)

    def release(self, word):
        self._held.discard(word)

    def stop(self):
        self._stopped.set()
        self._listener.close()
        self.heal()

    def _accept(self):
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        server = socket.socket(socket.AF_UNIX if isinstance(self._target, str) else socket.AF_INET)
        with client, server:
            try:
                server.connect(self._target)
            except OSError:
                return
            with self._mutex:
                self._pairs.add((client, server))
            self._pass_on(client, server)
            with self._mutex:
                self._pairs.discard((client, server))

    def _pass_on(self, client, server):
        first = []  # what the client has said first: by that its connection is known
        questions = threading.Thread(target=self._copy, args=(client, server, self._cut.is_set, first),
                                     daemon=True)
        questions.start()
        self._copy(server, client, lambda: self._cut.is_set() or self._is_held(first))
        questions.join()

    def _copy(self, source, target, is_held, first=None):
        """Until either end is gone; then the other goes, too."""
        try:
            while data := source.recv(65536):
                if first == []:
                    first.append(data)
                while is_held() and not self._stopped.is_set():
                    self._stopped.wait(0.02)
                target.sendall(data)
        except OSError:
            pass
        _shut(source)
        _shut(target)

    def _is_held(self, first):
        return any(word in said for said in first for word in list(self._held))


def _shut(end):
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # closed already
