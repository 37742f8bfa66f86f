"""Tests of what developers do on their machines."""
