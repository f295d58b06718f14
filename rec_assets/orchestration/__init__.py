"""The Dagster code: assets, jobs, schedules, sensors and checks. The domain in other folders knows no Dagster."""
