"""Two network namespaces of this machine, joined by a cable that can be cut: two machines, for tests and for the demo. Needs root.
They are gone with close()."""
import itertools
import os
import subprocess

_numbers = itertools.count()


def ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


class TwoMachines:
    """|lender| and |borrower| are their addresses; lender_prefix and borrower_prefix start a program there."""

    lender, borrower = "10.9.0.1", "10.9.0.2"

    def __init__(self) -> None:
        number = f"{os.getpid()}-{next(_numbers)}"
        self.names = [f"xpool-lender-{number}", f"xpool-borrower-{number}"]
        self.lender_prefix, self.borrower_prefix = [("nsenter", f"--net=/run/netns/{name}") for name in self.names]
        try:
            for name in self.names:
                ip("netns", "add", name)
            ip("-n", self.names[0], "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", self.names[1])
            for name, address in zip(self.names, (self.lender, self.borrower)):
                ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
                ip("-n", name, "link", "set", "lo", "up")
                ip("-n", name, "link", "set", "cable", "up")
        except OSError:
            self.close()
            raise

    def cut(self) -> None:
        ip("-n", self.names[0], "link", "set", "cable", "down")

    def mend(self) -> None:
        """The way is open at once: a neighbour that was looked for in vain would count as unreachable for a while yet."""
        ip("-n", self.names[0], "link", "set", "cable", "up")
        for name in self.names:
            ip("-n", name, "neighbour", "flush", "dev", "cable")

    def close(self) -> None:
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=30)
