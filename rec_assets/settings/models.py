"""Settings of trainings and fine-tunes."""

from pydantic import BaseModel, Field, NonNegativeFloat, PositiveFloat, PositiveInt


class ModelSettings(BaseModel):
    """Windows of days, features and trainings."""

    # Training windows and feature engineering
    train_days: PositiveInt = Field(9, description="Days that a full training trains on.")
    valid_days: PositiveInt = Field(
        3, description="Days after the training days, up to the as-of day; they select and evaluate the models."
    )
    mask_probability: float = Field(0.05, ge=0, le=1, description="Share of training rows made anonymous.")
    image_encoder: str = Field("packaged", description="'packaged', or the path or Hugging Face id of a CLIP model.")
    text_encoder: str = Field(
        "packaged", description="'packaged', or the path or Hugging Face id of a Sentence-BERT model."
    )

    # Training
    max_epochs: PositiveInt = Field(
        30, description="Maximum number of epochs; validation recall stops a training earlier."
    )

    # Daily fine-tuning
    finetune_epochs: PositiveInt = Field(1, description="Number of epochs over the rows of the day.")
    finetune_learning_rate: PositiveFloat = Field(
        1e-4, description="Learning rate of a fine-tune, a tenth of a full training's."
    )
    replay_ratio: NonNegativeFloat = Field(1.0, description="Number of older rows per row of the day in a fine-tune.")
    holdout_share: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Share of a day's users who are held out: their rows of the day evaluate bundles and train none.",
    )

    dask_scheduler: str = Field(
        "", description="Address of the Dask scheduler that NVTabular uses; empty: the step's process."
    )
