"""The metrics as a scraper reads them, and the dashboard that draws them."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from tests.daemon.fakes import FakeRecogniser, speak

from steno_daemon import wire
from steno_daemon.metrics import Metrics, SessionMeter
from steno_daemon.replay import replay
from steno_daemon.wire import CloseReason, EndpointReason, ErrorCode

DASHBOARD = Path(__file__).resolve().parents[2] / "systemd" / "grafana-dashboard.json"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def scraped(metrics: Metrics) -> dict[str, float]:
    """Every sample by its name, with its labels where it has any."""
    _, body = metrics.render()
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sample.labels.items()): (
            sample.value
        )
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def partial(text: str, *, segment: int = 0, channel: int = 0) -> wire.Partial:
    return wire.Partial(
        seq=0, segment=segment, channel=channel, text=text, stable_chars=0, start=0.0
    )


def final(text: str, *, segment: int = 0, channel: int = 0) -> wire.Final:
    return wire.Final(
        seq=0, segment=segment, channel=channel, text=text, start=0.0, end=1.0, confidence=1.0
    )


def endpoint(
    time_s: float, reason: EndpointReason = EndpointReason.TRAILING_SILENCE
) -> wire.Endpoint:
    return wire.Endpoint(seq=0, segment=0, time=time_s, reason=reason)


def hear(meter: SessionMeter, clock: Clock, seconds: float, *, pace: float = 1.0) -> None:
    """Let blocks of 100 ms come, each when it was spoken or `pace` times faster."""
    began_s = clock.now_s
    for block in range(1, round(seconds * 10) + 1):
        clock.now_s = began_s + block / 10 / pace
        meter.received(3_200, position_s=block / 10)


def test_the_engine_is_told_in_sessions_batches_and_lag() -> None:
    metrics = Metrics()
    metrics.limits(max_sessions=9)
    metrics.admitted(sessions=1)
    metrics.admitted(sessions=2)
    metrics.left(sessions=1)
    metrics.refused(ErrorCode.OVERLOADED)
    metrics.queue(3)
    metrics.batch(2, busy_s=0.25, audio_s=1.5)
    metrics.batch(7, busy_s=0.25, audio_s=1.5)
    metrics.lag(0.4)
    found = scraped(metrics)
    assert found["steno_max_sessions"] == 9
    assert found["steno_sessions"] == 1
    assert found["steno_sessions_admitted_total"] == 2
    assert found["steno_sessions_refused_total reason=overloaded"] == 1
    assert found["steno_sessions_refused_total reason=limit_exceeded"] == 0
    assert found["steno_queue_length"] == 3
    assert found["steno_batch_size_count"] == 2
    assert found["steno_batch_size_sum"] == 9
    assert found["steno_batch_size_bucket le=2.0"] == 1
    factor = found["steno_engine_busy_seconds_total"] / found["steno_audio_decoded_seconds_total"]
    assert factor == pytest.approx(0.5 / 3)
    assert found["steno_lag_seconds_bucket le=0.3"] == 0
    assert found["steno_lag_seconds_bucket le=0.5"] == 1


def test_words_that_a_partial_takes_back_are_revisions() -> None:
    metrics = Metrics()
    meter = metrics.session()
    meter.told([wire.SpeechStarted(seq=0, segment=0, time=0.0)])
    meter.told([partial("the"), partial("the cat"), partial("the cap is"), partial("the cap is")])
    meter.told([final("the cap is on"), endpoint(1.0)])
    found = scraped(metrics)
    assert found["steno_partials_total"] == 4
    assert found["steno_partial_revisions_total"] == 1
    assert found["steno_partial_words_total"] == 5
    assert found["steno_finals_total"] == 1
    assert found["steno_words_total"] == 4


def test_a_new_segment_takes_nothing_back_and_channels_are_apart() -> None:
    metrics = Metrics()
    meter = metrics.session()
    meter.told([partial("one"), partial("two", channel=1), final("one"), endpoint(1.0)])
    meter.told([partial("three", segment=1), partial("two four", channel=1)])
    assert scraped(metrics)["steno_partial_revisions_total"] == 0


def test_a_final_is_late_by_what_passed_since_the_audio_at_its_endpoint_came() -> None:
    metrics, clock = Metrics(), Clock()
    meter = metrics.session(clock)
    hear(meter, clock, 3.0)
    clock.now_s += 0.22
    meter.told([final("do"), endpoint(2.9)])
    found = scraped(metrics)
    assert found["steno_final_delay_seconds_sum"] == pytest.approx(0.32)
    assert found["steno_final_delay_seconds_count"] == 1


def test_audio_that_came_late_is_not_the_recognisers_delay() -> None:
    metrics, clock = Metrics(), Clock()
    meter = metrics.session(clock)
    meter.received(3_200, position_s=0.1)
    clock.now_s += 60.0  # the network was away
    meter.received(96_000, position_s=3.1)
    clock.now_s += 0.1
    meter.told([final("do"), endpoint(3.0)])
    assert scraped(metrics)["steno_final_delay_seconds_sum"] == pytest.approx(0.1)


def test_who_sends_faster_than_people_speak_waits_for_nothing() -> None:
    metrics, clock = Metrics(), Clock()
    meter = metrics.session(clock)
    hear(meter, clock, 60.0, pace=20.0)
    clock.now_s += 2.0
    meter.told([final("do"), endpoint(50.0)])
    assert scraped(metrics)["steno_final_delay_seconds_sum"] == 0.0


@pytest.mark.parametrize("reason", sorted(set(EndpointReason) - {EndpointReason.TRAILING_SILENCE}))
def test_only_endpoints_that_are_where_they_were_decided_are_timed(reason: EndpointReason) -> None:
    metrics, clock = Metrics(), Clock()
    meter = metrics.session(clock)
    hear(meter, clock, 1.0)
    meter.told([final("do"), endpoint(1.0, reason)])
    count = scraped(metrics)["steno_final_delay_seconds_count"]
    assert count == (reason in {EndpointReason.FINALIZE, EndpointReason.STOP})


def test_an_endpoint_without_words_has_no_final_to_wait_for() -> None:
    metrics, clock = Metrics(), Clock()
    meter = metrics.session(clock)
    meter.told([endpoint(1.0)])
    hear(meter, clock, 1.0)
    meter.told([wire.SpeechStarted(seq=0, segment=0, time=0.5), endpoint(1.0)])
    assert scraped(metrics)["steno_final_delay_seconds_count"] == 0


def test_a_session_counts_as_degraded_at_its_present_level_until_it_is_gone() -> None:
    metrics = Metrics()
    first, second = metrics.session(), metrics.session()
    first.told([wire.Load(seq=0, degraded=1, lag_ms=900)])
    second.told([wire.Load(seq=0, degraded=1, lag_ms=900)])
    second.told([wire.Load(seq=0, degraded=2, lag_ms=2_000)])
    found = scraped(metrics)
    assert found["steno_sessions_degraded level=1"] == 1
    assert found["steno_sessions_degraded level=2"] == 1
    first.told([wire.Load(seq=0, degraded=0, lag_ms=0)])
    second.gone()
    second.gone()
    found = scraped(metrics)
    assert found["steno_sessions_degraded level=1"] == 0
    assert found["steno_sessions_degraded level=2"] == 0


def test_ends_errors_resumes_and_viewers_are_counted() -> None:
    metrics = Metrics()
    error = wire.Error(seq=0, code=ErrorCode.INVALID_AUDIO, message="odd", fatal=False)
    metrics.session().told([error, wire.Closed(seq=1, reason=CloseReason.IDLE)])
    metrics.resumed()
    metrics.viewers(12)
    metrics.skipped_partials()
    metrics.skipped_partials(4)
    found = scraped(metrics)
    assert found["steno_errors_total code=invalid_audio"] == 1
    assert found["steno_sessions_closed_total reason=idle"] == 1
    assert found["steno_sessions_resumed_total"] == 1
    assert found["steno_viewers"] == 12
    assert found["steno_skipped_partials_total"] == 5


def test_a_real_session_is_counted_as_its_client_sees_it() -> None:
    metrics = Metrics()
    meter = metrics.session()
    events = [event for _, event in replay(FakeRecogniser(), speak("do mi re"))]
    meter.told(events)
    found = scraped(metrics)
    partials = [event for event in events if isinstance(event, wire.Partial)]
    assert found["steno_partials_total"] == len(partials) > 0
    assert found["steno_words_total"] == 3
    assert found["steno_partial_words_total"] - found["steno_partial_revisions_total"] == 3


def test_two_daemons_of_a_process_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.resumed()
    assert scraped(second)["steno_sessions_resumed_total"] == 0


def test_the_build_and_the_process_are_there() -> None:
    metrics = Metrics()
    metrics.build(version="0.2", protocol="1", bundle="en 1")
    found = scraped(metrics)
    assert found["steno_build_info bundle=en 1 protocol=1 version=0.2"] == 1
    assert found["process_resident_memory_bytes"] > 0


def test_a_scraper_gets_the_form_that_it_asks_for() -> None:
    metrics = Metrics()
    content_type, _ = metrics.render()
    assert content_type.startswith("text/plain; version=0.0.4")
    content_type, body = metrics.render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert list(openmetrics_families(body.decode()))  # type: ignore[no-untyped-call]


def dashboard() -> dict[str, object]:
    found = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def expressions(node: object) -> list[str]:
    """Every query below a node of the dashboard."""
    if isinstance(node, list):
        return [query for child in node for query in expressions(child)]
    if isinstance(node, dict):
        own = [node[key] for key in ("expr", "definition") if isinstance(node.get(key), str)]
        return own + [query for child in node.values() for query in expressions(child)]
    return []


def test_every_metric_of_the_dashboard_is_one_of_the_daemon() -> None:
    metrics = Metrics()
    metrics.build(version="0.2", protocol="1", bundle="en 1")
    metrics.session().told(
        [
            wire.Error(seq=0, code=ErrorCode.INTERNAL, message="", fatal=True),
            wire.Closed(seq=1, reason=CloseReason.FAILED),
        ]
    )
    known = {name.split(" ")[0] for name in scraped(metrics)}
    queries = expressions(dashboard())
    named = {name for query in queries for name in re.findall(r"\b(?:steno|process)_\w+", query)}
    assert len(named) > 20
    assert named <= known


def test_the_dashboard_draws_every_metric_of_the_daemon() -> None:
    families = {
        re.sub(r"_(total|bucket|sum|count|created)$", "", name.split(" ")[0])
        for name in scraped(Metrics())
        if name.startswith("steno_")
    }
    drawn = " ".join(expressions(dashboard()))
    assert [name for name in sorted(families) if name not in drawn] == []


def test_the_panels_of_the_dashboard_stand_beside_each_other() -> None:
    found = dashboard()
    assert isinstance(found["schemaVersion"], int)
    assert found["schemaVersion"] >= 36  # Grafana 10
    assert "id" not in found or found["id"] is None
    panels = found["panels"]
    assert isinstance(panels, list)
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["description"]
