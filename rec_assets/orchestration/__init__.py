"""The Dagster code: assets, jobs, schedules, sensors and checks. Other folders do not import Dagster."""
