"""Results of a study for tables and figures: rows, metrics, statistics, the paper's values, captions."""
