"""For each alert the series on which it fires, as promtool takes them, and those of a calm daemon."""

from __future__ import annotations


def series(name: str, values: str) -> dict[str, str]:
    return {"series": name, "values": values}


D = 'instance="d:8080"'
Case = tuple[list[dict[str, str]], str]
FIRING: dict[str, Case] = {
    "StreamlearnerDown": ([series(f'up{{job="streamlearner",{D}}}', "1 0x20")], "10m"),
    "StreamlearnerRestarting": (
        [series(f'process_start_time_seconds{{job="streamlearner",{D}}}', "0 0 200 200 300 400x20")],
        "10m",
    ),
    "StreamlearnerSourceLost": ([series(f"streamlearner_source_connected{{{D}}}", "1 0x20")], "10m"),
    "StreamlearnerGap": ([series(f"streamlearner_stream_gaps_total{{{D}}}", "0 0 7x20")], "10m"),
    "StreamlearnerHeldBack": (
        [series(f'streamlearner_stream_held_back{{partition="0",{D}}}', "0 3x40")],
        "30m",
    ),
    "StreamlearnerCheckpointsFail": (
        [series(f'streamlearner_checkpoint_saves_total{{outcome="failed",{D}}}', "0+1x20")],
        "15m",
    ),
    "StreamlearnerModelDiverged": ([series(f'streamlearner_doubts{{name="diverged",{D}}}', "_ 1x20")], "10m"),
    "StreamlearnerDeadLettersPending": (
        [series(f"streamlearner_dead_letters_pending{{{D}}}", "3x30")],
        "20m",
    ),
    "StreamlearnerNotLearning": (
        [
            series(f'streamlearner_stream_lag{{partition="0",{D}}}', "50x60"),
            series(f'streamlearner_examples_total{{outcome="learned",{D}}}', "900x60"),
        ],
        "40m",
    ),
    "StreamlearnerFallingBehind": (
        [series(f'streamlearner_stream_lag{{partition="0",{D}}}', "20000+100x90")],
        "80m",
    ),
    "StreamlearnerThinned": (
        [
            series(f"streamlearner_examples_without_steps_total{{{D}}}", "0x10 0+50x60"),
            series(f'streamlearner_examples_total{{outcome="learned",{D}}}', "0+100x70"),
        ],
        "20m",
    ),
    "StreamlearnerCheckpointStale": (
        [
            series(f"streamlearner_checkpoint_last_success_timestamp_seconds{{{D}}}", "60x60"),
            series(f'streamlearner_examples_total{{outcome="learned",{D}}}', "0+100x60"),
        ],
        "40m",
    ),
    "StreamlearnerRejectsMany": (
        [
            series(f'streamlearner_rejects_total{{reason="schema",{D}}}', "0+10x60"),
            series(f'streamlearner_examples_total{{outcome="learned",{D}}}', "0+100x60"),
        ],
        "40m",
    ),
    "StreamlearnerLearningFailed": (
        [series(f'streamlearner_rejects_total{{reason="learning_failed",{D}}}', "_ 5x60")],
        "10m",
    ),
    "StreamlearnerRetentionFell": (
        [series(f'streamlearner_retention_ratio{{slice="overall",{D}}}', "0.9x30 0.6x90")],
        "110m",
    ),
    "StreamlearnerSleepsRefused": (
        [series(f'streamlearner_sleeps_total{{outcome="refused",{D}}}', "0 1 2 3 4 5x60")],
        "20m",
    ),
    "StreamlearnerMemoryOverBudget": (
        [
            series(f'streamlearner_memory_bits{{store="recollections",{D}}}', "60x9"),
            series(f'streamlearner_memory_bits{{store="statistics",{D}}}', "41x9"),
            series(f'streamlearner_memory_budget_bits{{store="recollections",{D}}}', "100x9"),
        ],
        "5m",
    ),
    "StreamlearnerPredictionsSlow": (
        [
            series(f'streamlearner_predict_seconds_bucket{{le="0.5",{D}}}', "0+1x60"),
            series(f'streamlearner_predict_seconds_bucket{{le="1",{D}}}', "0+100x60"),
            series(f'streamlearner_predict_seconds_bucket{{le="+Inf",{D}}}', "0+100x60"),
        ],
        "30m",
    ),
    "StreamlearnerHistoryNotWritten": (
        [series(f"streamlearner_history_failures_total{{{D}}}", "0+1x30")],
        "15m",
    ),
    "StreamlearnerExportFailed": (
        [series(f'streamlearner_exports_total{{outcome="failed",{D}}}', "_ 1x60")],
        "10m",
    ),
    "StreamlearnerPublisherFailed": (
        [series(f'streamlearner_publications_total{{outcome="failed",{D}}}', "0 0 1x60")],
        "10m",
    ),
    "StreamlearnerReplicaBehind": (
        [series(f"streamlearner_followed_seen_timestamp_seconds{{{D}}}", "0 60x60")],
        "15m",
    ),
}
NEVER_SEEN = [
    series(f"streamlearner_followed_seen_timestamp_seconds{{{D}}}", "NaN" + " NaN" * 30),
    series(f'streamlearner_follows_total{{outcome="failed",{D}}}', "0+60x30"),
]
"""A replica that never saw what is published."""
CALM = [
    series(f'process_start_time_seconds{{job="streamlearner",{D}}}', "7x120"),
    series(f"streamlearner_source_connected{{{D}}}", "1x60 0 0 1x58"),
    series(f"streamlearner_stream_gaps_total{{{D}}}", "0x120"),
    series(f'streamlearner_stream_held_back{{partition="0",{D}}}', "5x10 _ 5x10 _x98"),
    series(f'streamlearner_checkpoint_saves_total{{outcome="failed",{D}}}', "0x120"),
    series(f"streamlearner_dead_letters_pending{{{D}}}", "0x60 2 2 0x58"),
    series(f'up{{job="streamlearner",{D}}}', "1x120"),
    series(f'streamlearner_doubts{{name="exam_small",{D}}}', "1x120"),
    series(f'streamlearner_stream_lag{{partition="0",{D}}}', "40 20 30 10x117"),
    series(f'streamlearner_examples_total{{outcome="learned",{D}}}', "0+100x120"),
    series(f"streamlearner_examples_without_steps_total{{{D}}}", "0x120"),
    series(f'streamlearner_rejects_total{{reason="schema",{D}}}', "0+1x120"),
    series(f'streamlearner_rejects_total{{reason="learning_failed",{D}}}', "0x120"),
    series(f"streamlearner_checkpoint_last_success_timestamp_seconds{{{D}}}", "0+60x120"),
    series(f'streamlearner_retention_ratio{{slice="overall",{D}}}', "0.9x60 0.85x60"),
    series(f'streamlearner_sleeps_total{{outcome="refused",{D}}}', "0+1x120"),
    series(f'streamlearner_sleeps_total{{outcome="adopted",{D}}}', "0+1x120"),
    series(f'streamlearner_memory_bits{{store="recollections",{D}}}', "100x120"),
    series(f'streamlearner_memory_budget_bits{{store="recollections",{D}}}', "100x120"),
    series(f'streamlearner_predict_seconds_bucket{{le="0.01",{D}}}', "0+100x120"),
    series(f'streamlearner_predict_seconds_bucket{{le="+Inf",{D}}}', "0+100x120"),
    series(f"streamlearner_history_failures_total{{{D}}}", "0x60 1x60"),
    series(f'streamlearner_exports_total{{outcome="failed",{D}}}', "0x120"),
    series(f'streamlearner_publications_total{{outcome="failed",{D}}}', "0x120"),
    series(f'streamlearner_follows_total{{outcome="failed",{D}}}', "0x60 60x60"),
    series(f"streamlearner_followed_seen_timestamp_seconds{{{D}}}", "0+60x120"),
]
