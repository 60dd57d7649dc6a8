"""What comes from GObject introspection, of which Debian's python3 alone has it."""

import gi  # type: ignore[import-not-found]  # not in our environment

gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev  # type: ignore[import-not-found]  # noqa: E402  # as above

__all__ = ["GLib", "UMockdev"]
