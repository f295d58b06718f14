"""Assets of the models: full trainings and daily fine-tunes."""
