"""The baud rate of a tty as the kernel holds it: any number, set and read back.

The old interface knows a list of rates and pyserial sets others in two steps; TCSETS2 takes any
number in one. What a port runs at afterwards is the driver's choice, hence the reading back.

Source: Linux, include/uapi/asm-generic/{ioctls,termbits}.h. PowerPC, SPARC, MIPS and Alpha number
these differently and are not served.
"""

import fcntl
import struct

_TCGETS2 = 0x802C542A
_TCSETS2 = 0x402C542B
_CBAUD = 0o010017
_BOTHER = 0o010000
_INPUT_SHIFT = 16  # the same bits again for the input rate; 0 there means "as the output"

# c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc[19], c_ispeed, c_ospeed; host byte order
_TERMIOS2 = struct.Struct("=4IB19s2I")


def baud_rate_of(descriptor: int) -> int:
    """Return the output rate of a tty, or of the client's side when asked on a pty master.

    Raises OSError.
    """
    return int(_TERMIOS2.unpack(_termios2(descriptor))[-1])


def set_baud_rate(descriptor: int, baud_rate: int) -> int:
    """Set both directions to ``baud_rate``; return what the kernel then says it is.

    Nothing is drained or flushed. Raises OSError.
    """
    iflag, oflag, cflag, lflag, line, characters, _, _ = _TERMIOS2.unpack(_termios2(descriptor))
    cflag = cflag & ~(_CBAUD | _CBAUD << _INPUT_SHIFT) | _BOTHER
    new = _TERMIOS2.pack(iflag, oflag, cflag, lflag, line, characters, baud_rate, baud_rate)
    fcntl.ioctl(descriptor, _TCSETS2, new)
    return baud_rate_of(descriptor)


def _termios2(descriptor: int) -> bytes:
    return fcntl.ioctl(descriptor, _TCGETS2, bytes(_TERMIOS2.size))
