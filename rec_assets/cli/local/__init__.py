"""Finds, starts and supervises local Valkey and Triton servers, the worker and the storefront.

Production runs the same servers in containers (see `deploy/`). Code that serves requests does not import this folder.
"""
