"""A TLS client whose records are in the test's hands: cut, joined and spoilt as it likes."""

import socket
import ssl


class TlsChannel:
    """What mqtt.Client wants of a socket, over TLS by Python's ssl on memory buffers."""

    def __init__(self, address, ca_file, alpn=None, tls12=False, segment=None):
        host, port = address.rsplit(":", 1)
        context = ssl.create_default_context(cafile=str(ca_file))
        if alpn:
            context.set_alpn_protocols(alpn)
        if tls12:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.segment = segment  # bytes in one TCP segment; None: as they come
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self.socket = socket.create_connection((host, int(port)), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._until_done(self.tls.do_handshake)

    def sealed(self, *texts):
        """The records of `texts`, at least one each, not sent."""
        for text in texts:
            self.tls.write(text)
        return self._outgoing.read()

    def send_raw(self, data):
        step = self.segment or len(data) or 1
        for start in range(0, len(data), step):
            self.socket.sendall(data[start:start + step])

    def sendall(self, text):
        self.send_raw(self.sealed(text))

    def recv(self, size):
        """b"" after close_notify; raises ssl.SSLError with the server's alert."""
        try:
            return self._until_done(lambda: self.tls.read(size))
        except ssl.SSLZeroReturnError:
            return b""

    def close_notify(self):
        """Sends ours, and returns once the server's has come."""
        self._until_done(self.tls.unwrap)

    def half_close(self, *texts):
        """`texts` and close_notify in one segment, then the end of the TCP stream."""
        for text in texts:
            self.tls.write(text)
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.socket.sendall(self._outgoing.read())
        self.socket.shutdown(socket.SHUT_WR)

    def settimeout(self, seconds):
        self.socket.settimeout(seconds)

    def close(self):
        self.socket.close()

    def _until_done(self, call):
        while True:
            try:
                result = call()
                self.send_raw(self._outgoing.read())
                return result
            except ssl.SSLWantReadError:
                self.send_raw(self._outgoing.read())
                data = self.socket.recv(65536)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
