"""The session protocol (src/slice/session_protocol.h) as a hostile or broken peer would speak it, for tests only."""
import array
import os
import socket
import struct

MAGIC, VERSION = 0x53505858, 1
HELLO, WELCOME, REFUSAL, MEMORY_REQUEST = 1, 2, 3, 4
PAGE_BYTES = 4096


def message(kind: int, body: bytes, magic: int = MAGIC, version: int = VERSION, size: int | None = None) -> bytes:
    return struct.pack("<4I", magic, version, kind, 16 + len(body) if size is None else size) + body


def hello(slice_name: str, session: int = 0, lease: int = 0, memory: int = 0, **header) -> bytes:
    body = struct.pack("<64sQQQII64s", slice_name.encode()[:63], session, lease, memory, 1, 0, b"test")
    return message(HELLO, body, **header)


def welcome(library: str = "/nonexistent.so") -> bytes:
    body = struct.pack("<QQQ64s64s512sII256s", 1, 1 << 30, 1 << 20, b"slice", b"xpu0", library.encode(), 0, 0, b"device")
    return message(WELCOME, body)


def connect(path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(20)
    connection.connect(str(path))
    return connection


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """One message and its descriptors; b"" when the peer has closed."""
    descriptors = array.array("i")
    try:
        data, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(8 * descriptors.itemsize))
    except ConnectionResetError:
        return b"", []
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[:len(content) // descriptors.itemsize * descriptors.itemsize])
    return data, list(descriptors)


def kind_of(data: bytes) -> int:
    return struct.unpack_from("<I", data, 8)[0] if len(data) >= 16 else 0


def refusal_text(data: bytes) -> str:
    return data[24:].split(b"\0")[0].decode()


def send_with_descriptors(connection: socket.socket, data: bytes, descriptors: list[int]) -> None:
    connection.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])


def page(content: bytes, length: int) -> int:
    """A memfd of |length| bytes that is not sealed."""
    descriptor = os.memfd_create("page")
    os.write(descriptor, content)
    os.ftruncate(descriptor, length)
    return descriptor
