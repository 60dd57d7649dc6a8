"""How --help lays out what stands before and after the options."""

import argparse
import textwrap


class ParagraphFormatter(argparse.HelpFormatter):
    """Fits paragraphs to the terminal, and leaves one with indented lines as it is written.

    argparse itself either makes one paragraph of all, or lets every line break where the source
    does, whatever the terminal.
    """

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.strip().split("\n\n")
        return "\n\n".join(_filled(paragraph, width, indent) for paragraph in paragraphs) + "\n"


def _filled(paragraph: str, width: int, indent: str) -> str:
    if any(line.startswith(" ") for line in paragraph.splitlines()):
        return textwrap.indent(paragraph, indent)
    return textwrap.fill(paragraph, width, initial_indent=indent, subsequent_indent=indent)
