"""Metrics of runs as tables and figures take them: rows, statistics, the paper's values, captions."""
