"""Proposal of a cohort's settings from a folder of scans, as files to edit."""
