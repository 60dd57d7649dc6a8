"""The devices of the family by name."""

from collections.abc import Mapping
from types import MappingProxyType

from drivers.icarus.model import Model
from drivers.icarus.models.antminer_u1 import ANTMINER_U1
from drivers.icarus.models.antminer_u2 import ANTMINER_U2
from drivers.icarus.models.antminer_u3 import ANTMINER_U3
from drivers.icarus.models.block_erupter import BLOCK_ERUPTER
from drivers.icarus.models.cairnsmore1 import CAIRNSMORE1
from drivers.icarus.models.icarus import ICARUS
from drivers.icarus.models.lancelot import LANCELOT
from drivers.icarus.models.rbox import RBOX

MODELS: Mapping[str, Model] = MappingProxyType(
    {
        model.name: model
        for model in (
            BLOCK_ERUPTER,
            ANTMINER_U1,
            ANTMINER_U2,
            ANTMINER_U3,
            RBOX,
            ICARUS,
            LANCELOT,
            CAIRNSMORE1,
        )
    }
)
