"""The dashboard against Grafana's model of one (schema version 39), as far as we use it.

There is no Grafana to run here: what it would refuse or leave out is refused by these types.
"""

import re
from collections import Counter
from itertools import combinations
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from tests.deploy.prometheus import DEPLOY

TEXT = (DEPLOY / "grafana" / "countersign.json").read_text()
UNITS = Literal["short", "percentunit", "s", "Bps", "reqps", "ops", "none", "cps"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DataSource(Strict):
    type: Literal["prometheus"]
    uid: Literal["${datasource}"]


class GridPos(Strict):
    h: Annotated[int, Field(gt=0)]
    w: Annotated[int, Field(gt=0, le=24)]
    x: Annotated[int, Field(ge=0, lt=24)]
    y: Annotated[int, Field(ge=0)]

    def overlaps(self, other: "GridPos") -> bool:
        across = self.x < other.x + other.w and other.x < self.x + self.w
        return across and self.y < other.y + other.h and other.y < self.y + self.h


class Step(Strict):
    color: str
    value: float | None


class Thresholds(Strict):
    mode: Literal["absolute", "percentage"]
    steps: Annotated[list[Step], Field(min_length=1)]


class Defaults(Strict):
    unit: UNITS
    min: float | None = None
    max: float | None = None
    thresholds: Thresholds | None = None
    custom: dict[str, Any] = {}


class FieldConfig(Strict):
    defaults: Defaults
    overrides: list[Any]


class Target(Strict):
    refId: Annotated[str, Field(pattern="^[A-Z]$")]  # noqa: N815  # Grafana's name
    expr: str
    legendFormat: str  # noqa: N815  # as above
    datasource: DataSource


class Row(Strict):
    id: int
    type: Literal["row"]
    title: str
    collapsed: Literal[False]
    gridPos: GridPos  # noqa: N815  # as above
    panels: Annotated[list[Any], Field(max_length=0)]


class Reduce(Strict):
    calcs: list[Literal["lastNotNull", "last", "mean", "max", "min", "sum"]]


class StatOptions(Strict):
    reduceOptions: Reduce  # noqa: N815  # as above
    colorMode: Literal["none", "value", "background"]  # noqa: N815  # as above
    graphMode: Literal["none", "area", "line"]  # noqa: N815  # as above


class Legend(Strict):
    displayMode: Literal["list", "table", "hidden"]  # noqa: N815  # as above
    placement: Literal["bottom", "right"]


class Tooltip(Strict):
    mode: Literal["single", "multi", "none"]
    sort: Literal["none", "asc", "desc"]


class SeriesOptions(Strict):
    legend: Legend
    tooltip: Tooltip


class Shown(Strict):
    id: int
    title: Annotated[str, Field(min_length=1)]
    description: str
    gridPos: GridPos  # noqa: N815  # as above
    datasource: DataSource
    fieldConfig: FieldConfig  # noqa: N815  # as above
    targets: Annotated[list[Target], Field(min_length=1)]


class Stat(Shown):
    type: Literal["stat"]
    options: StatOptions


class TimeSeries(Shown):
    type: Literal["timeseries"]
    options: SeriesOptions


Panel = Annotated[Row | Stat | TimeSeries, Field(discriminator="type")]


class Variable(Strict):
    name: Literal["datasource"]
    type: Literal["datasource"]
    query: Literal["prometheus"]
    label: str
    current: dict[str, Any]
    hide: Literal[0]


class Templating(Strict):
    list: list[Variable]


class Annotation(Strict):
    name: str
    enable: bool
    iconColor: str  # noqa: N815  # as above
    datasource: DataSource
    expr: str
    titleFormat: str  # noqa: N815  # as above


class Annotations(Strict):
    list: list[Annotation]


class Span(Strict):
    start: Annotated[str, Field(alias="from")]
    to: str


class Dashboard(Strict):
    title: str
    uid: Annotated[str, Field(pattern="^[a-zA-Z0-9_-]{1,40}$")]
    tags: list[str]
    schemaVersion: Literal[39]  # noqa: N815  # as above
    version: int
    editable: bool
    timezone: Literal["utc", "browser"]
    refresh: str
    time: Span
    templating: Templating
    annotations: Annotations
    panels: list[Panel]


DASHBOARD = Dashboard.model_validate_json(TEXT)
PANELS = [panel for panel in DASHBOARD.panels if not isinstance(panel, Row)]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [('"timeseries"', '"graph"'), ('"legendFormat"', '"legend_format"'), ('"min": 0', '"min": "0"')],
)
def test_what_grafana_does_not_know_is_found(right: str, wrong: str) -> None:
    assert right in TEXT
    with pytest.raises(ValueError, match="Dashboard"):
        Dashboard.model_validate_json(TEXT.replace(right, wrong, 1))


def test_panels_have_a_place_of_their_own() -> None:
    assert max(Counter(panel.id for panel in DASHBOARD.panels).values()) == 1
    for panel in DASHBOARD.panels:
        assert panel.gridPos.x + panel.gridPos.w <= 24, panel.title
    for one, other in combinations(DASHBOARD.panels, 2):
        assert not one.gridPos.overlaps(other.gridPos), (one.title, other.title)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_a_legend_names_labels_that_its_query_keeps(panel: Stat | TimeSeries) -> None:
    assert max(Counter(target.refId for target in panel.targets).values()) == 1
    for target in panel.targets:
        kept = {name for each in re.findall(r"by \(([^)]*)\)", target.expr) for name in each.split(", ")}
        assert set(re.findall(r"\{\{(\w+)\}\}", target.legendFormat)) <= kept
        assert set(re.findall(r"\$\w+", target.expr)) <= {"$__rate_interval", "$__range"}
