import re

from prometheus_client import metrics as kinds

from runtime import metrics
from user_directory_events.verdict import Verdict

DECLARED = [value for value in vars(metrics).values() if isinstance(value, kinds.MetricWrapperBase)]
USER_DATA = {"user_id", "email", "name", "path", "query", "value"}


def test_every_metric_has_the_products_prefix_and_a_help_sentence() -> None:
    for metric in DECLARED:
        (family, *_) = metric.describe()
        assert re.fullmatch(r"user_directory_[a-z_]+", family.name)
        assert family.documentation.endswith("."), family.name


def test_units_are_base_units() -> None:
    for metric in DECLARED:
        (family, *_) = metric.describe()
        assert not re.search(r"_(ms|millis|milliseconds|minutes|kb|percent)$", family.name)


def test_no_label_can_hold_user_data() -> None:
    for metric in DECLARED:
        assert not USER_DATA & set(metric._labelnames)


def test_void_reasons_begin_at_zero_under_the_names_that_verdicts_have() -> None:
    (family,) = metrics.VOID_EVENTS.collect()
    reasons = {sample.labels["reason"] for sample in family.samples}
    assert reasons == {verdict.name.lower() for verdict in Verdict if verdict is not Verdict.ACCEPTED}


def test_what_must_stay_zero_is_there_before_anything_happened() -> None:
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    assert b"user_directory_projector_duplicate_events_total 0.0" in body
    assert b"user_directory_projector_double_owners 0.0" in body
