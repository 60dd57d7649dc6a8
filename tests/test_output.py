"""A reader that sleeps, or has gone, must never hold up whoever writes."""

import io
import os

from stratum_client.output import MAX_WAITING, BackgroundWriter


def test_text_is_written_in_order_and_all_of_it_before_the_end() -> None:
    stream = io.StringIO()
    writer = BackgroundWriter(stream)
    for number in range(500):
        writer.write(f"{number}\n")

    writer.close()

    assert stream.getvalue().split() == [str(number) for number in range(500)]


def test_a_reader_that_sleeps_costs_lines_and_is_told_how_many() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as reader, os.fdopen(write_end, "w") as stream:
        writer = BackgroundWriter(stream)
        line = "x" * 999 + "\n"

        while not writer.dropped:
            writer.write(line)
        dropped = writer.dropped
        received = reader.read(len(line) * MAX_WAITING // 2)
        writer.write("after\n")
        writer.write("last\n")
        os.set_blocking(reader.fileno(), False)
        while b"last\n" not in received:
            received += reader.read() or b""
        writer.close()

    assert dropped
    assert b"lines lost: nobody was reading" in received


def test_a_reader_that_has_gone_ends_the_writing_and_nothing_else() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as stream:
        writer = BackgroundWriter(stream)

        for _ in range(MAX_WAITING + 10):
            writer.write("x\n")
        writer.close()
