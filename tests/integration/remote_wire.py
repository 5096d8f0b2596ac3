"""The protocol of remote slices (src/wire/attach.h, hello.h, frame.h) as a hostile or broken peer would speak it, for tests only."""
import socket
import struct

MAGIC, VERSION = 0x57505858, 1
ATTACH, LANE = 1, 2
PLAIN, TLS = 0, 1
HELLO_FRAME, WELCOME_FRAME, REFUSAL_FRAME, ATTACH_FRAME, ATTACHED_FRAME = 0xFF00, 0xFF01, 0xFF02, 0xFF03, 0xFF04
CALL, CONTROL = 1, 4
NEEDS_ANSWER = 1
WRONG_VERSION, BAD_HELLO, NOT_ENTITLED, NO_SUCH_SLICE, NO_SUCH_SESSION = range(1, 6)
LIMITS = struct.pack("<4I2Q", 1 << 20, 16 << 10, 256 << 10, 1 << 20, 8 << 20, 8 << 20)


def preamble(purpose: int, security: int = PLAIN, session: int = 0) -> bytes:
    return struct.pack("<IHBBQQ", MAGIC, VERSION, purpose, security, session, 0)


def frame(call: int, payload: bytes, kind: int = CONTROL, flags: int = 0, sequence: int = 0) -> bytes:
    return struct.pack("<IHBBQ", len(payload), call, kind, flags, sequence) + payload


def text(value: bytes) -> bytes:
    return struct.pack("<I", len(value)) + value


def attach(slice_name: str, token: bytes = b"", version: int = VERSION) -> bytes:
    versions = struct.pack("<IHH", MAGIC, version, version)
    return frame(ATTACH_FRAME, versions + struct.pack("<I", 1) + text(token) + text(slice_name.encode()) + text(b"test"))


def hello(session: int, token: bytes, version: int = VERSION) -> bytes:
    versions = struct.pack("<IHH", MAGIC, version, version)
    return frame(HELLO_FRAME, versions + b"\0" + LIMITS + struct.pack("<Q", session) + token + struct.pack("<Q", 0))


def connect(address: str, source: str = "") -> socket.socket:
    """To "unix:PATH" or "HOST:PORT", of the address |source|."""
    if address.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(20)
        connection.connect(address[5:])
        return connection
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=20, source_address=(source, 0) if source else None)


def receive_exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        try:
            more = connection.recv(size - len(data))
        except ConnectionResetError:
            more = b""
        if not more:
            break
        data += more
    return data


def receive(connection: socket.socket) -> tuple[int, bytes]:
    """The call of the next frame and its payload; 0 when the peer has closed."""
    header = receive_exactly(connection, 16)
    if len(header) < 16:
        return 0, b""
    length, call = struct.unpack_from("<IH", header)
    return call, receive_exactly(connection, length)


def refusal(payload: bytes) -> tuple[int, str]:
    """A refusal's code and its sentence."""
    code, length = struct.unpack_from("<II", payload, 8)
    return code, payload[16:16 + length].decode()


def attached(payload: bytes) -> tuple[int, bytes]:
    """The session and its token."""
    return struct.unpack_from("<Q", payload, 8)[0], payload[16:32]
