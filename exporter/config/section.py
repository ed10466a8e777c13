"""What every mapping of the configuration file is made of."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping in the file, all of whose keys are known."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
