"""Objects as kube-apiserver stores them in protobuf."""


def secret(name: str) -> bytes:
    """A Secret as kube-apiserver stores it in protobuf."""

    def field(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    meta = field(1, name.encode()) + field(3, b"default")
    words = field(1, b"v1") + field(2, b"Secret")
    return b"k8s\0" + field(1, words) + field(2, field(1, meta) + field(3, b"Opaque"))
