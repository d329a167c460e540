"""Files of a model as text and values; nothing here knows what is asked for."""
