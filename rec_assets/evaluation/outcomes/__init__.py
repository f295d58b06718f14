"""Outcomes of served lists: interactions with shown items, their rates, and the drift of inputs and scores."""
