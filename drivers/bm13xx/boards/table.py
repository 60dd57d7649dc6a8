"""Every board there is a definition for, by the name that settings use."""

from collections.abc import Mapping

from drivers.bm13xx.board import Board
from drivers.bm13xx.boards.bitaxe_gamma import BITAXE_GAMMA
from drivers.bm13xx.boards.bitaxe_gamma_duo import BITAXE_GAMMA_DUO
from drivers.bm13xx.boards.bitaxe_gamma_turbo import BITAXE_GAMMA_TURBO
from drivers.bm13xx.boards.bitaxe_hex import BITAXE_HEX
from drivers.bm13xx.boards.bitaxe_max import BITAXE_MAX
from drivers.bm13xx.boards.bitaxe_supra import BITAXE_SUPRA
from drivers.bm13xx.boards.bitaxe_suprahex import BITAXE_SUPRAHEX
from drivers.bm13xx.boards.bitaxe_ultra import BITAXE_ULTRA
from drivers.bm13xx.boards.emberone_00 import EMBERONE_00
from drivers.bm13xx.boards.flex4axe import FLEX4AXE
from drivers.bm13xx.boards.piaxe import PIAXE
from drivers.bm13xx.boards.qaxe import QAXE
from drivers.bm13xx.boards.qaxe_plus import QAXE_PLUS

BOARDS: Mapping[str, Board] = {
    board.name: board
    for board in (
        BITAXE_MAX,
        BITAXE_ULTRA,
        BITAXE_SUPRA,
        BITAXE_GAMMA,
        BITAXE_GAMMA_DUO,
        BITAXE_GAMMA_TURBO,
        BITAXE_HEX,
        BITAXE_SUPRAHEX,
        EMBERONE_00,
        QAXE,
        QAXE_PLUS,
        FLEX4AXE,
        PIAXE,
    )
}
