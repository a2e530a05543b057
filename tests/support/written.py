"""Details of decisions whose text and story are given."""

import json
from typing import Any, NamedTuple


class Written(NamedTuple):
    """`tale`: what they say that is not a figure; `told`: all of it."""

    tale: str
    told: Any

    def story(self) -> str:
        return self.tale

    def text(self) -> str:
        return json.dumps(self.told)
