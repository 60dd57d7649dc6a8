"""The benchmark of USB bridges: that nonces do get through, each way."""

from tests.benchmarks import usb


def test_nonces_reach_the_pool_through_the_tty_and_each_bridge() -> None:
    lines = usb.section(rounds=2).lines

    assert [line.name.split(", ")[1] for line in lines[::2]] == [usb.TTY, *usb.WAYS]
    assert all(float(line.ratio) > 0 for line in lines)
    assert [line.ratio for line in lines[:2]] == ["1.0", "1.0"]
