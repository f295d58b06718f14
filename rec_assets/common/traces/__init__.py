"""Traces: spans of this process, and their way to a collector by OpenTelemetry."""
