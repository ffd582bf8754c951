"""Answers to errors."""
