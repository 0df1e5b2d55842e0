"""Settings classes, the places that hold their values, and the errors of invalid settings.

Every setting is a variable. Its value comes from the first place that has it: the environment, `.env`, the
folders of `COUNTERSIGN_SECRETS_DIR`, the secret manager of `COUNTERSIGN_SECRETS`. In every place, `NAME_FILE`
can replace `NAME`: it is the path of a file that holds the value.

One pydantic-settings source covers all places, because the library's sources for Azure and Google list the
whole vault, have no time limit, and do not report the place of a value.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NoReturn, Self, TypeVar, overload

from pydantic import SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from countersign.observability.redaction import protect
from countersign.secrets.local import PLACES, Origin, Problems, env_file, local_origins
from countersign.secrets.managers import manager_origin
from countersign.unknown_settings import warn_of_unknown_settings

_PLACEHOLDER = re.compile(
    r"(tdx-|whsec_)?(change[-_ ]?me|todo|x{3,}|secret|placeholder|example|your[-_ ].{0,40}|<.{0,80}>|\.{3})",
    re.IGNORECASE,
)


IS_MISSING: Final = " is not set"


class SettingsError(Exception):
    """Settings are missing or invalid; the message names all of them and what to do, but no values."""

    problems: tuple[str, ...] = ()
    """What `listing` lists: a sentence per setting. That of a missing one ends with `IS_MISSING`."""

    @classmethod
    def listing(cls, problems: Iterable[str]) -> Self:
        """Build one error from several sentences, without duplicates."""
        listed = tuple(dict.fromkeys(problems))
        error = cls("\n  ".join(("These settings are missing or invalid:", *listed)))
        error.problems = listed
        return error


@dataclass(frozen=True, slots=True)
class Variable:
    """The name of a setting's variable, if it is not the prefix and the field's name."""

    name: str


class Settings(BaseSettings):
    """A frozen group of settings with a common prefix. `load` builds it from variables."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False
    )
    prefix: ClassVar[str]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use arguments, then the values that `load` has found; without `load`, only arguments."""
        del env_settings, dotenv_settings, file_secret_settings
        found = _found.get()
        return (init_settings,) if found is None else (init_settings, _Found(settings_cls, found))

    @classmethod
    def variable(cls, name: str) -> str:
        """Return the variable of a field, for example `ACME_API_KEY` for `api_key`."""
        return _own_name(cls.model_fields[name]) or cls.prefix + name.upper()

    def model_post_init(self, _context: Any) -> None:
        """Mask the secrets in all later log lines."""
        values = (getattr(self, name) for name in type(self).model_fields)
        protect(*(value.get_secret_value() for value in values if isinstance(value, SecretStr)))

    def __reduce__(self) -> NoReturn:
        raise TypeError("settings hold secrets and cannot be pickled")

    @field_validator("*", mode="before")
    @classmethod
    def _no_placeholder(cls, value: Any, info: ValidationInfo) -> Any:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        about = cls.model_fields[str(info.field_name)]
        if isinstance(text, str) and (about.is_required() or is_secret(about)):
            if not text.strip():
                raise ValueError("is empty; set the real value")
            if _PLACEHOLDER.fullmatch(text.strip()):
                raise ValueError("is a placeholder; set the real value")
        return value


SettingsT = TypeVar("SettingsT", bound=Settings)
FirstT = TypeVar("FirstT", bound=Settings)
SecondT = TypeVar("SecondT", bound=Settings)
ThirdT = TypeVar("ThirdT", bound=Settings)
FourthT = TypeVar("FourthT", bound=Settings)


@dataclass(frozen=True, slots=True)
class SettingsLookup:
    """The values of some variables, by place.

    Args:
        origins: The places with values, the one with the highest priority first.
        problems: Why a variable or a place could not be read, one sentence per problem.
    """

    origins: tuple[Origin, ...]
    problems: Problems = field(default_factory=dict)

    def where(self, variable: str) -> str | None:
        """Return the label of the place that has a variable; None if no place has it."""
        return next((origin.label for origin in self.origins if variable in origin.values), None)

    def value(self, variable: str) -> str | None:
        """Return a variable's value; None if no place has it."""
        return next((origin.values[variable] for origin in self.origins if variable in origin.values), None)


_found: ContextVar[SettingsLookup | None] = ContextVar("found", default=None)


class _Found(PydanticBaseSettingsSource):
    """The pydantic-settings source of a `SettingsLookup`."""

    def __init__(self, settings_cls: type[BaseSettings], lookup: SettingsLookup) -> None:
        super().__init__(settings_cls)
        self._refresh = lookup

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        kind = self.settings_cls
        variable = kind.variable(field_name) if issubclass(kind, Settings) else field_name
        return self._refresh.value(variable), field_name, False

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields.items()
        values = {name: self.get_field_value(about, name)[0] for name, about in fields}
        return {name: value for name, value in values.items() if value is not None}


def is_secret(about: FieldInfo) -> bool:
    """Return whether a setting holds a secret."""
    return "SecretStr" in str(about.annotation)


def read(*kinds: type[Settings], given: Iterable[str] = ()) -> SettingsLookup:
    """Look up all variables of these settings classes.

    Asks the secret manager only for required or secret variables that no other place has.

    Args:
        kinds: The settings classes.
        given: Names of fields to skip.
    """
    fields = [(kind, name) for kind in kinds for name in kind.model_fields if name not in set(given)]
    wanted = dict.fromkeys(kind.variable(name) for kind, name in fields)
    problems: Problems = {}
    local = SettingsLookup(tuple(local_origins(wanted, problems)), problems)
    needed = dict.fromkeys(
        kind.variable(name)
        for kind, name in fields
        if kind.model_fields[name].is_required() or is_secret(kind.model_fields[name])
    )
    missing = [name for name in needed if local.where(name) is None and name not in problems]
    manager = manager_origin(local.origins, missing, problems)
    return SettingsLookup((*local.origins, manager) if manager else local.origins, problems)


@overload
def load(kind: type[FirstT], /, **overrides: Any) -> tuple[FirstT]: ...
@overload
def load(kind: type[FirstT], second: type[SecondT], /, **overrides: Any) -> tuple[FirstT, SecondT]: ...
@overload
def load(
    kind: type[FirstT], second: type[SecondT], third: type[ThirdT], /, **overrides: Any
) -> tuple[FirstT, SecondT, ThirdT]: ...
@overload
def load(
    kind: type[FirstT],
    second: type[SecondT],
    third: type[ThirdT],
    fourth: type[FourthT],
    /,
    **overrides: Any,
) -> tuple[FirstT, SecondT, ThirdT, FourthT]: ...
@overload
def load(*kinds: type[SettingsT], **overrides: Any) -> tuple[SettingsT, ...]: ...


def load(*kinds: type[Any], **overrides: Any) -> tuple[Any, ...]:
    """Load one or several settings classes, and warn about unknown settings.

    Args:
        kinds: The settings classes.
        overrides: Values by field name with priority over all places, for every class with that field.

    Raises:
        SettingsError: Settings are missing or invalid; the message lists all of them by name.
    """
    groups = dict.fromkeys((*kinds, *_subclasses(Settings)))
    warn_of_unknown_settings(
        (*os.environ, *env_file({})),
        [variable for group in groups for variable in _variables(group)],
        tuple(group.prefix for group in groups if hasattr(group, "prefix")),
    )
    lookup = read(*kinds, given=overrides)
    loaded: list[Settings] = []
    problems: list[str] = list(lookup.problems.values())
    for kind in kinds:
        try:
            loaded.append(_build(kind, lookup, overrides))
        except ValidationError as error:
            problems += _problems(kind, error, known=lookup.problems)
    if problems:
        raise SettingsError.listing(problems)
    return tuple(loaded)


def _own_name(about: FieldInfo) -> str | None:
    return next((mark.name for mark in about.metadata if isinstance(mark, Variable)), None)


def _variables(kind: type[Settings]) -> Iterator[str]:
    """List a group's variables; a base class without a prefix has those that name themselves."""
    for name, about in kind.model_fields.items():
        if hasattr(kind, "prefix") or _own_name(about):
            yield kind.variable(name)


def _subclasses(kind: type[Settings]) -> Iterator[type[Settings]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _build(kind: type[SettingsT], lookup: SettingsLookup, overrides: Mapping[str, Any]) -> SettingsT:
    token = _found.set(lookup)
    try:
        return kind(**{name: value for name, value in overrides.items() if name in kind.model_fields})
    finally:
        _found.reset(token)


def _problems(kind: type[Settings], error: ValidationError, *, known: Problems) -> list[str]:
    """Return the problems by variable, without values and without the `known` problems.

    If a place could not be read, no variable is reported as missing, because that place may hold it.
    """
    problems = []
    for problem in error.errors(include_input=False, include_url=False):
        name = kind.variable(str(problem["loc"][0])) if problem["loc"] else ""
        if problem["type"] == "missing":
            if name not in known and known.keys().isdisjoint(PLACES):
                problems.append(name + IS_MISSING)
        else:
            message = _sentence(problem, kind)
            problems.append(f"{name}: {message}" if name else message)
    return problems


_LIMITS: Final = {
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "bool_parsing": "must be true or false",
    "literal_error": "must be {expected}",
    "string_too_short": "must not be empty",
}
"""Sentences for pydantic's own checks, by their type."""


def _sentence(problem: ErrorDetails, kind: type[Settings]) -> str:
    if problem["type"] in _LIMITS:
        return _LIMITS[problem["type"]].format(**problem.get("ctx", {}))
    if problem["type"] == "string_pattern_mismatch":
        about = kind.model_fields[str(problem["loc"][0])].description or ""
        return f"has the wrong form; what it must be: {about.rstrip('.')}"
    return problem["msg"].removeprefix("Value error, ")
