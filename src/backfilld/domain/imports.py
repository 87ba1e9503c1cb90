"""What the cells of an imported file mean."""

from typing import get_args

from backfilld.domain.entities import FieldType

FIELD_TYPES: tuple[FieldType, ...] = get_args(FieldType)
