"""Reading and writing files: volumes, settings, tables, states of trainings; checked when read, whole when written."""
