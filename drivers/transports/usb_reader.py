"""What comes from a USB device, read by a thread: pyusb's reads block."""

from array import array
from collections.abc import Callable
from threading import Event, Thread

from drivers.transports.usb_device import Endpoints, UsbDevice
from drivers.transports.usb_errors import Fault, Patience, fault_of

READ_TIMEOUT = 100
"""Milliseconds of one read, and so the longest that a closing port waits for its thread."""

_RECOVERY = 0.02  # s between a failed transfer and the next
_LARGEST_READ = 4096


class Reader:
    """A thread that hands every transfer to ``received`` from `start` to `stop` or a loss.

    ``received``, which returns for how many seconds nobody need ask again, and ``lost`` (with the
    reason) are called in the thread; ``is_over`` is asked between transfers. ``many`` packets are
    asked for at once where each has a head of its own: else a read would wait on after a full
    packet.
    """

    def __init__(
        self,
        device: UsbDevice,
        endpoints: Endpoints,
        *,
        many: bool,
        received: Callable[[bytes], float],
        lost: Callable[[str], None],
        is_over: Callable[[], bool],
    ) -> None:
        self._device = device
        self._endpoint = endpoints.incoming
        packets = max(1, _LARGEST_READ // endpoints.packet_size) if many else 1
        self._buffer = array("B", bytes(packets * endpoints.packet_size))
        self._received = received
        self._lost = lost
        self._is_over = is_over
        self._patience = Patience()
        self._stopped = Event()
        self._thread = Thread(target=self._run, name=f"usb read {device.path}")

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Tell the thread to end; returns at once."""
        self._stopped.set()

    def join(self) -> None:
        """Wait for the thread, at most one read."""
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set() and not self._is_over():
            try:
                count = self._device.read_into(self._endpoint, self._buffer, READ_TIMEOUT)
            except OSError as error:
                if reason := self._reason(error):
                    self._lost(reason)
                    return
                continue
            self._patience.succeeded()
            if count and (rest := self._received(memoryview(self._buffer)[:count].tobytes())):
                self._stopped.wait(rest)

    def _reason(self, error: OSError) -> str:
        """Return why the device is lost, or make the endpoint fit for the next read."""
        reason = self._patience.verdict(error)
        fault = fault_of(error)
        if reason or fault is Fault.QUIET:
            return reason
        self._stopped.wait(_RECOVERY)
        if fault is Fault.STALLED:
            try:
                self._device.clear_halt(self._endpoint)
            except OSError as second:
                return self._patience.verdict(second)
        return ""
