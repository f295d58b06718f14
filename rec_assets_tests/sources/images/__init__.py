"""Tests of the images of items."""
